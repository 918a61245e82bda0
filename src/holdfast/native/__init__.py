"""Training steps in C: what lies between the matrix products, for one thread of a CPU."""
