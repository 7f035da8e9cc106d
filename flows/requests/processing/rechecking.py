"""After a batch is unlearned: everybody forgotten earlier audited again, and what became of those who stay."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from aru.audit.criteria import KNOWN
from aru.audit.thresholds import THRESHOLDS_FILE, read_thresholds
from aru.core.config import Config, load_archive, load_config
from aru.core.files import read_json
from aru.core.names import RETAIN, TEST, UNLEARNED, UNSEEN
from flows.project.params import PARAMS_FILE
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import each_request, request_particulars
from flows.requests.ledger.service import EVIDENCE
from flows.requests.ledger.states import State

if TYPE_CHECKING:
    from aru.audit.forgotten_before import AgainstUnseen
    from aru.data.images import ImageSet

_LIMIT = "attacks"
"""The criterion whose limit those forgotten earlier are held to, as those of a batch are."""


class Earlier(TypedDict):
    """Those forgotten before: people and photos that were audited again, and requests that could not be, as they are erased.

    auc, low, high: what the loss gives away of all of them, class-matched, with its 95 % interval; None where nobody is left
    or too few are there. batches: the AUC of each batch alone. reversed: whether the whole interval lies above `limit`.
    """

    people: int
    photos: int
    erased: int
    auc: float | None
    low: float | None
    high: float | None
    limit: float | None
    batches: dict[str, float | None]
    reversed: bool


class BatchFigures(TypedDict):
    """A batch's model: accuracy on retain, test and unseen, how far the people who stay give themselves away by the loss
    (AUC against unseen people), and those forgotten earlier."""

    accuracy: dict[str, float]
    retained_auc: float | None
    earlier: Earlier


def recheck(root: Path, benchmark: str, ledger: Ledger, batch: str) -> BatchFigures:
    """Audit the unlearned model in work/ for everybody whose batch was released before this one.

    Their photos are read from the archive, as long as they are there; those of erased requests cannot be looked at again, and
    are counted.
    """
    from aru.audit.forgotten_before import AgainstUnseen
    from aru.compute.device import make_compute
    from aru.data.images import load_sets
    from aru.data.manifest import read_manifest
    from aru.nets.models import load_model

    root, work = Path(root), Path(root) / "work" / benchmark
    config = load_config(root / PARAMS_FILE, benchmark)
    measured = read_json(work / "evaluation" / "metrics.json")["models"][UNLEARNED]
    sets, manifest = load_sets(work / "prepared", config.data.task), read_manifest(work / "prepared" / "manifest.csv")
    unseen = AgainstUnseen(
        load_model(work / "unlearned" / "model.safetensors"),
        sets.unseen,
        manifest.loc[manifest["role"] == UNSEEN, "subject"].to_numpy(dtype=str),
        compute=make_compute(config.runtime),
        resamples=config.evaluate.resamples,
        seed=config.runtime.seed,
    )
    wanted, erased = earlier_photos(ledger, benchmark, batch)
    limit = read_thresholds(root / THRESHOLDS_FILE, KNOWN).on(benchmark).criteria[_LIMIT].high
    earlier = _earlier(root, benchmark, config, wanted, unseen, sets.unseen.outputs)
    low = earlier["low"]
    earlier |= {"erased": erased, "limit": limit, "reversed": limit is not None and low is not None and low > limit}
    return BatchFigures(
        accuracy={name: round(measured[f"{name}/accuracy"], 6) for name in (RETAIN, TEST, UNSEEN)},
        retained_auc=_plain(unseen.auc(sets.retain)),
        earlier=earlier,
    )


@dataclass(frozen=True)
class ForgottenPhoto:
    """A photo that was forgotten: the MD5 of its file, and its batch."""

    digest: str
    batch: str


def _earlier(
    root: Path, benchmark: str, config: Config, wanted: dict[str, ForgottenPhoto], unseen: "AgainstUnseen", outputs: int
) -> Earlier:
    """What the model gives away of these photos, as far as they are in the archive."""
    import numpy as np

    nobody = Earlier(people=0, photos=0, erased=0, auc=None, low=None, high=None, limit=None, batches={}, reversed=False)
    images, people, batches = _read_photos(root, benchmark, config, wanted, outputs)
    if images is None:
        return nobody
    known = unseen.known(images, people)
    alone = {name: _plain(unseen.auc(images.take(np.flatnonzero(batches == name)))) for name in sorted({*batches.tolist()})}
    nobody |= {"people": len({*people.tolist()}), "photos": len(images), "batches": alone}
    return nobody | {"auc": _plain(known.auc), "low": _plain(known.low), "high": _plain(known.high)}


def earlier_photos(ledger: Ledger, benchmark: str, batch: str) -> tuple[dict[str, ForgottenPhoto], int]:
    """The photos that models were trained on before their people were forgotten: path -> digest and batch; and how many
    requests are erased."""
    found: dict[str, ForgottenPhoto] = {}
    erased = 0
    for request in each_request(ledger, states=[State.FULFILLED], benchmark=benchmark):
        if request.batch is None or request.batch == batch:
            continue
        evidence = request_particulars(ledger, request.id).get(EVIDENCE)
        erased += evidence is None
        for match in evidence["matches"] if evidence is not None else ():
            if match["split"] == "train":
                found[match["path"]] = ForgottenPhoto(match["digest"], request.batch)
    return found, erased


def _read_photos(
    root: Path, benchmark: str, config: Config, wanted: dict[str, ForgottenPhoto], outputs: int
) -> "tuple[ImageSet | None, Any, Any]":
    """Those of the photos that are in the archive still, as `prepare` makes them, whom they show, and their batches."""
    import numpy as np
    from PIL import Image

    from aru.data.archive import open_archive
    from aru.data.decoding import decode_photo
    from aru.data.images import ImageSet, targets_of
    from aru.data.prepare import read_archive
    from aru.data.sources.canonical import ignores_exif
    from aru.data.subjects import subject_ids

    archive, side = root / load_archive(root / PARAMS_FILE, benchmark), config.data.resolution
    if not wanted:
        return None, None, None
    rows = read_archive(config.data.layout, archive).rows
    rows = rows.assign(subject=subject_ids(rows, config.data.merge))
    digests = {path: photo.digest for path, photo in wanted.items()}
    rows = rows[rows["path"].map(digests) == rows["digest"]]
    if not len(rows):
        return None, None, None
    with open_archive(archive) as opened:
        ignore = ignores_exif(opened)
        photos = (decode_photo(opened.read(path), ignore_exif=ignore) for path in rows["path"])  # one at a time
        pixels = np.stack([np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR)) for photo in photos])
    images = ImageSet(pixels, np.arange(len(rows)), targets_of(rows, config.data.task), outputs)
    return images, rows["subject"].to_numpy(dtype=str), np.array([wanted[path].batch for path in rows["path"]])


def _plain(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def drop(figures: Sequence[BatchFigures], name: str) -> float:
    """The accuracy on a set that was lost from the first of these batches to the last; 0 of none."""
    return figures[0]["accuracy"][name] - figures[-1]["accuracy"][name] if figures else 0.0
