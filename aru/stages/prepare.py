"""Archive -> manifest, audit and decoded images."""

from aru.core.files import write_json
from aru.data.census import census
from aru.data.images import write_images
from aru.data.manifest import write_manifest, write_training
from aru.data.prepare import build_manifest, read_images
from aru.stages.job import Job


def prepare(job: Job) -> int:
    """Write manifest.csv, training.csv, images.npy and audit.json in prepared/; returns the number of rows."""
    data, folder = job.config.data, job.work / "prepared"
    manifest = build_manifest(
        data.layout,
        job.archive,
        protocol=data.protocol,
        progress=job.progress,
        seed=data.seed,
        forget=data.forget.model_dump(exclude_none=True),
        merge=data.merge,
    )
    photos = read_images(job.archive, manifest["path"].tolist())
    write_images(photos, len(manifest), data.resolution, folder / "images.npy", progress=job.progress)
    write_manifest(folder / "manifest.csv", manifest)
    write_training(folder / "training.csv", manifest)
    write_json(folder / "audit.json", census(manifest, data.merge))
    return len(manifest)
