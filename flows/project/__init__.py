"""The project folder: its files, parameters, plan, versions and secrets; all of DVC and git."""
