"""The sources that are known by name: what one is, and the lists that come with the package."""
