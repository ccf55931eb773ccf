"""What should travel: our YAML file, its rules and its lock."""
