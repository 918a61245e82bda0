"""The report of a run: one page for people, one JSON file for programs, both made from the same plain facts."""
