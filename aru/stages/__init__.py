"""The stages: each a function from files to files, the same for Prefect, DVC and a person at a prompt."""
