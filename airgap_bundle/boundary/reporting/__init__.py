"""What stands inside, collected from ledger, audit trail, policy and the last drift: for `report` and its page."""
