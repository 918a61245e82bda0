"""What a run will need and what stands in its way, before it starts."""
