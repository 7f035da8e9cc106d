"""The alias `production`: the version that answers users. It moves in one step, and never back to what remembers somebody."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from aru.core.config import Release
from aru.core.errors import InputError
from flows.tracking import registry, store
from flows.tracking.gate import passes

PRODUCTION = "production"
BATCH = "requests.batch"
"""The tag of a version: the number of the last batch of deletion requests whose people it has forgotten, and all before."""
RELEASED = "released"
"""The tag of a version that was in production: since when, UTC, ISO 8601."""


@dataclass(frozen=True)
class Production:
    """The version in production: its number, the md5 of its weights, its last batch of requests, since when (UTC)."""

    version: str
    weights_md5: str
    batch: int
    since: str


def in_production(root: Path, name: str) -> Production | None:
    """The version that has the alias; None where none has it, or the model is not registered. Raises StoreUnavailable."""
    if store.is_local(root) and not store.database(root).is_file():  # which a client would make
        return None
    client = store.client(root)
    try:
        version = client.get_model_version_by_alias(name, PRODUCTION)
    except MlflowException as error:
        store.check_absent(error)
        return None
    return Production(str(version.version), version.tags["weights_md5"], batch_of(version), version.tags.get(RELEASED, ""))


def batch_of(version: ModelVersion) -> int:
    """The last batch of requests that a version has forgotten; 0 where it has forgotten none."""
    return int(version.tags.get(BATCH, "0"))


def last_released_batch(client: MlflowClient, name: str) -> int:
    """The highest batch that any version forgot that has been in production."""
    released = (version for version in client.search_model_versions(f"name = '{name}'") if RELEASED in version.tags)
    return max(map(batch_of, released), default=0)


def mark_batch(root: Path, name: str, version: str, batch: int) -> None:
    """Record that a version was made by forgetting this batch from one that had forgotten all before."""
    store.client(root).set_model_version_tag(name, version, BATCH, str(batch))


def promote(root: Path, name: str, version: str, *, release: Release, batches: int = 0) -> Production:
    """Put a version into production, in place of the one before, which stays registered.

    `batches` is the number of the last batch of requests that was released, as the ledger has it. Raises InputError where the
    version is not registered or not whole, where its audit does not pass under the policy `release`, and where it still knows
    people whom a released version, or the ledger, has forgotten: a rollback never brings anybody back.
    """
    client = store.client(root)
    wanted = registry.find_version(client, name, version)
    number = str(wanted.version)
    if not registry.is_whole(root, wanted):
        raise InputError(f"{name} version {number} lacks files, or they were changed: run `aru run`, which writes them again")
    verdict = wanted.tags.get("audit.verdict", "missing")
    if not passes(verdict, release):
        raise InputError(f"{name} version {number} is not released: its audit is {verdict}, and audit.release is {release}")
    forgotten = max(batches, last_released_batch(client, name))
    if batch_of(wanted) < forgotten:
        raise InputError(
            f"{name} version {number} has forgotten the requests up to batch {batch_of(wanted)}, and those up to batch "
            f"{forgotten} are released: it would bring people back. Choose a version with the tag {BATCH} = {forgotten}"
        )
    if number != getattr(in_production(root, name), "version", None):
        client.set_model_version_tag(name, number, RELEASED, datetime.now(UTC).isoformat(timespec="seconds"))
        client.set_registered_model_alias(name, PRODUCTION, number)  # one row: whoever reads it sees the old one or the new
        registry.show_aliases(client, name)
    found = in_production(root, name)
    assert found is not None
    return found
