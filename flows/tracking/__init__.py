"""All of MLflow: the store, runs, registry, lineage and descriptions."""
