"""Archive -> manifest, audit and decoded images."""

from aru.core.files import write_json
from aru.data.census import census
from aru.data.classes import outputs_of, write_classes
from aru.data.images import write_images
from aru.data.manifest import write_manifest, write_training
from aru.data.prepare import assign_people_and_roles, read_archive, read_images
from aru.data.suppression.screening import open_screen
from aru.stages.job import Job


def prepare(job: Job) -> int:
    """Write manifest.csv, training.csv, images.npy, labels.json and audit.json in prepared/; returns the number of rows."""
    data, folder = job.config.data, job.work / "prepared"
    screen = open_screen(job.work.parents[1], scope=job.benchmark, action=data.suppression, forgetting=data.forget.files or ())
    found = read_archive(data.layout, job.archive, screen=screen, progress=job.progress)
    outputs_of(found.classes, data.task)  # a task that the data do not have is named before work starts
    manifest = assign_people_and_roles(
        found.rows,
        layout=data.layout,
        protocol=data.protocol,
        seed=data.seed,
        forget=data.forget.model_dump(exclude_none=True),
        merge=data.merge,
        progress=job.progress,
    )
    photos = read_images(job.archive, manifest["path"].tolist())
    write_images(photos, len(manifest), data.resolution, folder / "images.npy", progress=job.progress)
    write_manifest(folder / "manifest.csv", manifest)
    write_training(folder / "training.csv", manifest)
    write_classes(folder, found.classes)
    counts = census(manifest, data.merge, found.classes, job.progress)
    if found.suppressed is not None:
        counts["suppressed"] = found.suppressed
    write_json(folder / "audit.json", counts)
    return len(manifest)
