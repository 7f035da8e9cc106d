"""What goes on inside a model: features, their likeness, and what they still tell."""
