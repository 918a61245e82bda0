"""The nouns that cross rooms, and plumbing; capped, never a grab-bag."""
