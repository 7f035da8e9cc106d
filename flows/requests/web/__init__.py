"""The HTTP API and the pages of the ledger, on this machine."""
