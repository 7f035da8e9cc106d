"""Attack and Reset for Unlearning: the science, free of any operation tool."""
