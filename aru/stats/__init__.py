"""Statistics alone: intervals, bootstraps over people and seeds, rates, multiple tests. No models."""
