"""What happens to images after their import: published, promoted, compared, rolled back, pruned."""
