"""The operation: Prefect runs the stages, DVC keeps the bytes, MLflow keeps numbers and names."""
