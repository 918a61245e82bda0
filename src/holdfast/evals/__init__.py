"""Scores with their sample sizes, and the report."""
