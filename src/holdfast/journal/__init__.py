"""The single truth of a run, and the sinks that show it."""
