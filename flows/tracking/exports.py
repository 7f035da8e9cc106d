"""A model as MLflow keeps it: exported for prediction, its weights beside it, and held to the model that it came from."""

import tempfile
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow.entities import LoggedModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from torch import nn

from aru.nets.models import load_model
from flows.tracking import store

_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Export:
    """model: gives a tensor for a batch of inputs of `shape` and `dtype`. weights: its safetensors, kept beside it."""

    model: nn.Module
    weights: Path
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def zeros(self, count: int) -> torch.Tensor:
        """Inputs that show nobody. Shape: (count, *shape)."""
        return torch.zeros(count, *self.shape, dtype=self.dtype)


def of_weights(weights: Path, *, side: int) -> Export:
    """A network of the registry, for square images of `side` pixels."""
    return Export(load_model(weights), weights, (3, side, side))


def fill(root: Path, logged: LoggedModel, export: Export) -> None:
    """Write the files of a logged model, and check that they load and answer alike.

    Raises RuntimeError where what was stored answers differently.
    """
    with tempfile.TemporaryDirectory() as folder:
        _save(export, Path(folder) / "model", logged)
        # MLflow's client remembers where a model's files were before the project was moved; this looks at where they are.
        get_artifact_repository(logged.artifact_location, store.tracking_uri(root)).log_artifacts(str(Path(folder) / "model"))
        _check(root, logged, export)


def _save(export: Export, folder: Path, logged: Any) -> None:
    """Export for prediction, with the weights beside it. The example is of zeros: MLflow stores it as readable text."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    example = export.zeros(2)  # two images, or the batch size would be fixed
    with torch.no_grad():
        answers = export.model(example)
    inputs, outputs = (TensorSpec(one.numpy().dtype, (-1, *one.shape[1:])) for one in (example, answers))
    mlflow.pytorch.save_model(
        export.model,
        str(folder),
        signature=ModelSignature(Schema([inputs]), Schema([outputs])),
        input_example=example.numpy(),
        serialization_format="pt2",
        mlflow_model=Model(
            artifact_path=logged.artifact_location,
            run_id=logged.source_run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        ),
        pip_requirements=[f"{package}=={installed(package).partition('+')[0]}" for package in ("mlflow", "torch", "numpy")],
        extra_files=[export.weights.resolve().as_uri()],
    )


def _check(root: Path, logged: Any, export: Export) -> None:
    """What was stored must answer as the model does, for another number of images too."""
    with tempfile.TemporaryDirectory() as copy:  # MLflow takes a path for a URI, and finds nothing where one has %20 in it
        folder = mlflow.artifacts.download_artifacts(
            artifact_uri=logged.artifact_location, dst_path=copy, tracking_uri=store.tracking_uri(root)
        )
        stored = mlflow.pytorch.load_model(folder)
    batches = [export.zeros(2)]
    if export.dtype.is_floating_point:
        batches.append(torch.rand(3, *export.shape, generator=torch.Generator().manual_seed(0)))
    for batch in batches:
        with torch.no_grad():
            difference = (stored(batch) - export.model(batch)).abs().max().item()
        if not difference <= _TOLERANCE:
            raise RuntimeError(f"the stored model's logits differ by {difference:.2g} from the model's own: not registered")
