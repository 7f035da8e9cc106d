"""A demonstration: two deletion requests from their receipt to the erasure, in a copy of the project."""
