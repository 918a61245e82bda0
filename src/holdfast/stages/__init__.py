"""The joining room: recipe to objects to run."""
