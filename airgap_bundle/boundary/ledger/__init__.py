"""The memory of the inside: every receipt, what is current, and which policy each destination is bound to."""
