"""Erasure: every place that holds a person's data or what was made from it, listed, and cleared after the fulfilment."""
