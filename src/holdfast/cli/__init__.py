"""Words people type, each one call."""
