"""What answers a request: a signed certificate, and proofs that need no trust in whoever made it."""
