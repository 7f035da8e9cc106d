"""Figures by person: who is exposed, and who else was hurt."""
