"""The commands that need PyTorch alone: no Prefect, MLflow or DVC."""
