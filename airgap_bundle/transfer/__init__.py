"""What moves, in which order, and what is left."""
