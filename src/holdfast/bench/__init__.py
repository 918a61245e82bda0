"""Ourselves beside others on the same machine: the same work in turns, fresh processes, ratios with their spread."""
