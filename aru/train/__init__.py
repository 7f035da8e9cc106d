"""Losses, batches, the loops that train, checkpoints."""
