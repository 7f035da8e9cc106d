"""Attacks that know from a pool of shadow models how hard each image is."""
