"""Convolutions for the CPU, and the memory that they use."""
