"""Which images hide in charts and deployments, where each was found, and what could not be resolved."""
