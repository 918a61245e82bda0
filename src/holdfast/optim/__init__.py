"""Optimizers and schedules; imports nothing of ours."""
