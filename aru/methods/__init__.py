"""Unlearning methods: one file each, behind one signature, and their registry."""
