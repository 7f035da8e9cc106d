"""What was found for the requests of a batch, put on the project's suppression list before it is unlearned."""

from collections.abc import Sequence
from pathlib import Path

from aru.core.config import load_archive
from flows.project.params import PARAMS_FILE
from flows.requests.ledger.ledger import Ledger
from flows.requests.ledger.queries import request_particulars
from flows.requests.ledger.service import EVIDENCE
from flows.requests.suppression.entering import suppress


def suppress_requests(root: Path, benchmark: str, ledger: Ledger, requests: Sequence[str]) -> None:
    """Put files, pictures and names on the list, as keyed hashes: no import and no `prepare` brings them back.

    Again it changes nothing. Raises InputError where a photo is not in the archive any more.
    """
    archive = root / load_archive(root / PARAMS_FILE, benchmark)
    for request in requests:
        found = request_particulars(ledger, request)[EVIDENCE]
        people = sorted({name for person in found["people"] for name in person["names"]})
        paths = [match["path"] for match in found["matches"]]
        suppress(root, request, archive=archive, paths=paths, people=people, benchmark=benchmark)
