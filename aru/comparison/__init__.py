"""Methods x seeds x forget draws: what is computed, how it is kept, and what may be said about it."""
