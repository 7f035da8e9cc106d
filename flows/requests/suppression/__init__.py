"""The project's suppression list as requests change it: entries that are added, and keys that are replaced."""
