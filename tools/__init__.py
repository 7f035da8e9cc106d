"""What a person starts by hand: measurements, and what is drawn or written from the code."""
