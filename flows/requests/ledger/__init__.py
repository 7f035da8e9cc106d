"""The ledger of deletion requests: an SQL database with an append-only, hash-chained history."""
