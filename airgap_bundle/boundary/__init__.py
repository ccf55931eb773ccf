"""The inside: verify, plan, push, receipt; look back; undo."""
