"""The page of an audit, and audits side by side."""
