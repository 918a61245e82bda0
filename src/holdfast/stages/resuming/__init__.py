"""Going on with work that was begun: what from, what changed meanwhile, and going back when a run went wrong."""
