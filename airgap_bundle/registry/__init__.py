"""How to speak to a registry, and how to be one."""
