"""Attacks that tell members from others by what one model answers."""
