"""What a run left behind, read afterwards: its state, its checkpoints, what became of it, and making it again."""
