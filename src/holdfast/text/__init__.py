"""Raw files to clean documents; runs without torch."""
