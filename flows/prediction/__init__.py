"""The model in production, answering over HTTP on this machine."""
