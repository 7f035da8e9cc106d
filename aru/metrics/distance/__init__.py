"""How far an unlearned model is from a retrained one, in answers and in weights."""
