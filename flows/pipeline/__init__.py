"""The main flow: stages as cached Prefect tasks."""
