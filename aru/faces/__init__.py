"""The embedded benchmark `faces`: invented people, drawn."""
