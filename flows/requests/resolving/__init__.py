"""Whose photos a request means: by names, by photos, by hashed identifiers."""
