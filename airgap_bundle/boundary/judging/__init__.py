"""May a bundle come in, and may what is held get its tags: verdicts, and what they read."""
