"""How far a model forgot, and at what cost; nothing here changes a model, and nothing chooses."""
