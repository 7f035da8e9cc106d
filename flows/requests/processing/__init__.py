"""Batches of requests carried out: chosen, unlearned, audited, released or escalated."""
