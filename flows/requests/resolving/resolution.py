"""The search for what one request means, in the project's data, as evidence for the ledger."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aru.core.config import load_archive
from aru.core.errors import InputError
from aru.core.files import bytes_md5
from aru.core.names import SUPPRESSION_FILE
from aru.core.progress import Progress, silent
from flows.project.params import PARAMS_FILE, configured
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import find_request, request_particulars, searches_that_found
from flows.requests.ledger.service import CONFIRMED, Evidence
from flows.requests.ledger.submission import PHOTO, SUBMITTED
from flows.requests.resolving.people import Found, find_photos
from flows.requests.resolving.same_person import requests_about

if TYPE_CHECKING:
    import pandas as pd

    from aru.core.config import MergeConfig


@dataclass(frozen=True)
class Resolution:
    """What was found for a request, as evidence too, and the other requests that are about one of these people.

    unseen: a photo was sent that is no copy of any here, and nobody has looked through its look-alikes.
    """

    found: Found
    evidence: Evidence
    same_people: list[str]
    unseen: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether a name is nobody's, and a slip of the keyboard may be why; or nobody has looked at the look-alikes yet."""
        return any(self.found.unknown.values()) or self.unseen


def resolve(ledger: Ledger, root: Path, request: str, *, progress: Progress = silent) -> Resolution:
    """Look for every photo that a request means, in the data of its benchmark. Nothing is changed.

    Raises InputError where its particulars are erased, and where the data are not there.
    """
    benchmark = find_request(ledger, request).benchmark
    particulars = request_particulars(ledger, request)
    if SUBMITTED not in particulars:
        raise InputError(f"the particulars of {request} are erased: there is nothing to look for")
    manifest, merge = people_of(root, benchmark, progress=progress)
    photos: Sequence[str] = ()
    upload: bytes | None = particulars.get(PHOTO)
    if upload is not None:
        from flows.requests.resolving.uploads import photos_of_upload

        archive = root / load_archive(root / PARAMS_FILE, benchmark)
        photos = photos_of_upload(upload, archive, manifest, progress=progress)
    asked = particulars[SUBMITTED]
    found = find_photos(
        manifest,
        subjects=asked["subjects"],
        photos=asked["photos"],
        same_photo=photos,
        sent=bytes_md5(upload) if upload is not None else None,
        confirmed=particulars.get(CONFIRMED, ()),
        merge=merge,
    )
    evidence = as_evidence(found, manifest)
    unseen = upload is not None and not photos and CONFIRMED not in particulars
    same = requests_about(ledger, request, people=evidence.subjects) if evidence.subjects else set()
    same |= searches_that_found(ledger, benchmark, evidence.subjects) - {request}
    return Resolution(found, evidence, sorted(same), unseen)


def people_of(root: Path, benchmark: str, *, progress: Progress = silent) -> "tuple[pd.DataFrame, MergeConfig]":
    """Every file of a benchmark's archive with its photo and person, and the settings that merged people.

    From the manifest of the stage `prepare` where that is of this archive and these settings, else from the archive itself; so
    too where somebody is on the suppression list, because the manifest lacks whom it keeps out, and whoever looks like them.
    """
    from aru.data.subjects import subject_ids
    from aru.data.suppression.suppression_list import read_list
    from flows.project.checks import prepared_rows
    from flows.project.plan import plan
    from flows.requests.resolving.whole_archive import whole_archive

    data, rows, current = configured(root / PARAMS_FILE, benchmark).data, None, False
    if not read_list(root / SUPPRESSION_FILE).entries:
        rows, current = prepared_rows(root, benchmark, plan(root, benchmark))
    if rows is None:
        archive = root / load_archive(root / PARAMS_FILE, benchmark)
        return whole_archive(data.layout, archive, data.merge, progress=progress), data.merge
    if not current:
        rows = rows.assign(subject=subject_ids(rows, data.merge))
    return rows, data.merge


def as_evidence(found: Found, manifest: "pd.DataFrame") -> Evidence:
    """What the ledger keeps of a search. People go by their filings, which stay when the data change, unlike subject ids."""
    kinds = Counter(match.how for match in found.matches)
    details: dict[str, Any] = {
        "people": [asdict(person) for person in found.people],
        "matches": [asdict(match) for match in found.matches],
        "unknown": found.unknown,
    }
    return Evidence(
        subjects=tuple(sorted({name for person in found.people for name in person.names})),
        files=tuple(sorted({match.digest for match in found.matches})),
        counts={
            "people": len(found.people),
            "photos": len({match.photo for match in found.matches}),
            "files": len(found.matches),
            "trained": sum(match.split == "train" for match in found.matches),
            "shared": sum(match.shared for match in found.matches),
            "suspected": sum(len(person.suspected) for person in found.people),
            "unknown": len(found.unknown),
            "searched files": found.searched_files,
            "searched people": found.searched_people,
            **{f"by {how}": count for how, count in sorted(kinds.items())},
        },
        searched=searched_digest(manifest),
        details=details,
    )


def searched_digest(manifest: "pd.DataFrame") -> str:
    """The SHA-256 of what was searched: files with their photos and people."""
    searched = manifest[["path", "digest", "photo", "subject", "family", "person"]].to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(searched.encode()).hexdigest()
