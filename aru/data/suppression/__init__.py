"""The suppression list: forgotten people and photos as keyed hashes, so that no archive brings them back."""
