"""A model as MLflow keeps it: exported for prediction, its weights beside it, and held to the model that it came from."""

import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.entities import LoggedModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from torch import nn

from aru.nets.models import load_model
from flows.tracking import store

_TOLERANCE = 1e-3


def fill(root: Path, logged: LoggedModel, weights: Path, *, side: int) -> None:
    """Write the files of a logged model for square images of `side` pixels, and check that they load and answer alike.

    Raises RuntimeError where what was stored answers differently.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(weights)
        _save(model, Path(folder) / "model", weights, side, logged)
        # MLflow's client remembers where a model's files were before the project was moved; this looks at where they are.
        get_artifact_repository(logged.artifact_location, store.tracking_uri(root)).log_artifacts(str(Path(folder) / "model"))
        _check(root, logged, model, side)


def _save(model: nn.Module, folder: Path, weights: Path, side: int, logged: Any) -> None:
    """Export for prediction, with the weights beside it. The example is of zeros: MLflow stores it as readable text."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    example = np.zeros((2, 3, side, side), dtype=np.float32)  # two images, or the batch size would be fixed
    with torch.no_grad():
        outputs = model(torch.from_numpy(example)).shape[1]
    kind = np.dtype(np.float32)
    signature = ModelSignature(Schema([TensorSpec(kind, (-1, 3, side, side))]), Schema([TensorSpec(kind, (-1, outputs))]))
    mlflow.pytorch.save_model(
        model,
        str(folder),
        signature=signature,
        input_example=example,
        serialization_format="pt2",
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=logged.source_run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        ),
        pip_requirements=[f"{package}=={installed(package).partition('+')[0]}" for package in ("mlflow", "torch", "numpy")],
        extra_files=[weights.resolve().as_uri()],
    )


def _check(root: Path, logged: Any, model: nn.Module, side: int) -> None:
    """What was stored must answer as the model does, for another number of images too."""
    with tempfile.TemporaryDirectory() as copy:  # MLflow takes a path for a URI, and finds nothing where one has %20 in it
        folder = mlflow.artifacts.download_artifacts(
            artifact_uri=logged.artifact_location, dst_path=copy, tracking_uri=store.tracking_uri(root)
        )
        stored = mlflow.pytorch.load_model(folder)
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))
    for batch in (torch.zeros(2, 3, side, side), images):
        with torch.no_grad():
            difference = (stored(batch) - model(batch)).abs().max().item()
        if not difference <= _TOLERANCE:
            raise RuntimeError(f"the stored model's logits differ by {difference:.2g} from the model's own: not registered")
