"""Comparison, tuning, shadow pool and audit as flows."""
