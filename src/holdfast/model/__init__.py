"""Models as pure maths: what they compute, how they are built, how large they are. Imports nothing of ours."""
