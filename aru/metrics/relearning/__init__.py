"""How fast a forgotten set is learned again."""
