"""Short-lived, scoped tokens for registries, issued and verified without a network: an identity for each customer."""
