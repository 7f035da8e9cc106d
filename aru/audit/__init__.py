"""The audit of one model: criteria with limits, verdicts by interval, and a page that says what was and was not tested."""
