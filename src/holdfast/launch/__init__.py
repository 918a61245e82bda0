"""Where and how runs are started."""
