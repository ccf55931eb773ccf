"""The values that everyone shares. Opens nothing and imports nothing of ours."""
