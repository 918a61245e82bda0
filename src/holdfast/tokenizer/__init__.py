"""Text to ids and back; the only place that knows the chat format."""
