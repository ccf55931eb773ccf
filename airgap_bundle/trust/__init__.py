"""May this be believed, now? Signatures, the policy, and freshness; all of it offline."""
