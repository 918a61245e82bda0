"""The only place that touches checkpoints on disk."""
