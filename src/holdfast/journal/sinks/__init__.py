"""Views of the journal: console, TensorBoard."""
