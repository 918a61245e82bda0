"""One file per place that text comes from."""
