"""The audit trail: chained records, their file, and their export."""
