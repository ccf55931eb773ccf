"""How it is shown: functions of `core.report` values, and nothing that decides."""
