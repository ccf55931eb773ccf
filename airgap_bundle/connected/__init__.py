"""The outside: lock, plan, fetch, write, sign."""
