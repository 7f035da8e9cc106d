"""The servers of MLflow and Prefect, and the processes that keep them up and end them."""
