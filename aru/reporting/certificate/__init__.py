"""The page of a certificate, from its statement alone."""
