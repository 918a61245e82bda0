"""One loop for every stage that trains."""
