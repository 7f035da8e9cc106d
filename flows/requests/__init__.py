"""Deletion requests: the ledger, finding a person's photos, and what is made of an answer."""
