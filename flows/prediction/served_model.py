"""The version in production as a model that answers, taken up anew when the alias moves."""

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from aru.core.config import load_config
from aru.core.errors import InputError
from aru.core.files import file_md5, read_meta
from aru.core.label_columns import is_multilabel
from aru.data.classes import names_of_outputs, read_classes
from aru.data.decoding import OR_REMOVE, decode_photo
from aru.data.faults import Fault
from aru.nets.models import load_model
from flows.prediction.served_log import log_served
from flows.tracking import store
from flows.tracking.production import PRODUCTION, Production, in_production, last_released_batch
from flows.tracking.registry import fetch_weights, model_name


@dataclass(frozen=True)
class Prediction:
    """What a version answers to one image: (name, probability) of each output, the most probable first."""

    version: str
    outputs: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Loaded:
    """A version's network in evaluation mode, the side of its images in pixels, and what its outputs stand for."""

    production: Production
    network: nn.Module
    side: int
    multilabel: bool
    names: tuple[str, ...]

    def predict(self, content: bytes) -> Prediction:
        """Decode an image file, resize it as `prepare` does, and answer. InputError where it is no image that is read here."""
        try:
            photo = decode_photo(content).resize((self.side, self.side), Image.Resampling.BILINEAR)
        except Fault as fault:
            raise InputError(f"the image {fault.what}: {fault.remedy.removesuffix(OR_REMOVE)}") from None
        pixels = torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1)[None].float().div_(255)
        with torch.no_grad():
            logits = self.network(pixels)[0]
        probabilities = logits.sigmoid() if self.multilabel else logits.softmax(dim=0)
        ranked = sorted(zip(self.names, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
        return Prediction(self.production.version, tuple(ranked))


class ServedModel:
    """The version in production of a benchmark. `refresh` takes up another one where the alias has moved; a request is
    answered wholly by one version.

    Raises InputError where no version is in production, or it may not be served.
    """

    def __init__(self, root: Path, benchmark: str) -> None:
        self.root, self.benchmark, self.name = Path(root), benchmark, model_name(benchmark)
        self._lock = threading.Lock()
        self._loaded = self._load()

    @property
    def loaded(self) -> Loaded:
        """What answers now."""
        return self._loaded

    def refresh(self) -> bool:
        """Take up the version that has the alias now; returns whether it is another one.

        Raises InputError, and keeps answering with the one before, where the new one cannot or may not be taken up.
        """
        with self._lock:
            now = in_production(self.root, self.name)
            if now is None:
                kept = self._loaded.production.version
                raise InputError(f"no version of {self.name} is in production any more: version {kept} goes on answering")
            if now == self._loaded.production:
                return False
            self._loaded = self._load()
            return True

    def _load(self) -> Loaded:
        found = in_production(self.root, self.name)
        if found is None:
            raise InputError(
                f"no version of {self.name} has the alias {PRODUCTION}: `aru promote` gives it to one that passed its audit"
            )
        forgotten = last_released_batch(store.client(self.root), self.name)
        if found.batch < forgotten:
            raise InputError(
                f"version {found.version} of {self.name} still knows people of batch {forgotten}, which is released: it "
                "is not served; move the alias with `aru promote`"
            )
        with tempfile.TemporaryDirectory() as folder:
            version, weights = fetch_weights(self.root, self.name, found.version, Path(folder))
            if file_md5(weights) != found.weights_md5:
                raise InputError(f"the weights of {self.name} version {version} are not those that were registered")
            network, described = load_model(weights), read_meta(weights)
        loaded = self._with_names(found, network, described["resolution"], described["outputs"])
        log_served(self.root, self.name, found.version, found.weights_md5, found.batch)
        return loaded

    def _with_names(self, found: Production, network: nn.Module, side: int, outputs: int) -> Loaded:
        """Outputs have names where work/ holds this very model, and so the labels that it was trained on; else numbers."""
        work = self.root / "work" / self.benchmark
        task = load_config(self.root / "params.yaml", self.benchmark).data.task
        own, names = work / "unlearned" / "model.safetensors", tuple(map(str, range(outputs)))
        if own.is_file() and file_md5(own) == found.weights_md5:
            names = names_of_outputs(read_classes(work / "prepared"), task)
        return Loaded(found, network, side, is_multilabel(task), names)
