"""Tests of flows/requests."""
