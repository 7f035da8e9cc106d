"""The command `aru`."""
