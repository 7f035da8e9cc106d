"""A pool of models trained on random halves of the people: references for every attack, method and request."""
