"""The gate before the registry: which alias a version gets by its audit and the stated policy."""

from mlflow import MlflowClient

from aru.audit.audit_file import AuditRecord
from aru.core.config import Release
from flows.tracking.audit_tags import audit_tags, undecided_criteria

CANDIDATE, CHALLENGER = "candidate", "challenger"
"""The version that was let through last, and the one that was held back last."""
_TAGS = frozenset({CANDIDATE, "audit.failed", "audit.inconclusive"})


def passes(verdict: str, release: Release) -> bool:
    """Whether the policy `audit.release` lets a version of this verdict be the candidate; one that failed never is."""
    return verdict == "pass" or (verdict == "inconclusive" and release == "not-failed")


def assign_alias(client: MlflowClient, name: str, version: str, audit: AuditRecord, release: Release) -> None:
    """Give the version the alias `candidate`, or else `challenger`, take the other from it, and tag it with its audit.

    A version that is held back has a tag `candidate` that says why. Nothing is written that the registry holds already.
    """
    tags = audit_tags(audit) | {"audit.release": release}
    alias, other = CANDIDATE, CHALLENGER
    if not passes(audit["verdict"], release):
        alias, other = CHALLENGER, CANDIDATE
        tags[CANDIDATE] = f"withheld: {reason(audit, release)}"
    held = client.get_model_version(name, version)
    aliases = client.get_registered_model(name).aliases
    if str(aliases.get(other)) == version:  # an integer from SQLite
        client.delete_registered_model_alias(name, other)
    for tag in (_TAGS & held.tags.keys()) - tags.keys():  # of an earlier audit of the same weights
        client.delete_model_version_tag(name, version, tag)
    for tag, value in tags.items():
        if held.tags.get(tag) != value:
            client.set_model_version_tag(name, version, tag, value)
    if str(aliases.get(alias)) != version:
        client.set_registered_model_alias(name, alias, version)


def reason(audit: AuditRecord, release: Release) -> str:
    """Why a version is held back, in a few words."""
    tags = audit_tags(audit)
    if "audit.failed" in tags:
        return f"the audit failed ({tags['audit.failed']})"
    undecided = ", ".join(undecided_criteria(audit))
    return f"the audit is {audit['verdict']} ({undecided}), and audit.release is {release}"
