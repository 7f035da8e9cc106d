"""Attack and Reset for Unlearning (arXiv 2401.08998)."""
