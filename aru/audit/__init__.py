"""The audit of one model: criteria with limits, verdicts by interval, and a record of what was and was not tested."""
