"""Attack and Reset for Unlearning: the science, free of any operation tool."""

__version__ = "0.1.0"
