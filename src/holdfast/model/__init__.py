"""Pure maths one could mail to a friend; imports nothing of ours."""
