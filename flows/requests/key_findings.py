"""What `aru doctor` says of the keys of deletion requests: the suppression list's, and the one that signs certificates."""

from collections.abc import Iterator
from pathlib import Path

from aru.core.errors import InputError
from aru.core.names import SUPPRESSION_FILE
from aru.data.suppression.keyed_hashes import key_path, read_keys
from aru.data.suppression.suppression_list import read_list
from flows.requests.certificates.envelope import private_key_path, read_private_key
from flows.requests.certificates.issuing import CERTIFICATES, certificate_paths
from flows.servers.doctor import Finding


def examine_keys(root: Path) -> Iterator[Finding]:
    """The keys of the suppression list and of certificates, where there is something that needs them."""

    def of_list() -> str | None:
        suppressed = read_list(root / SUPPRESSION_FILE)
        if suppressed.entries:
            suppressed.check(read_keys(key_path(root)))
            return f"of the {len(suppressed.entries)} entries of {SUPPRESSION_FILE}"
        return read_keys(key_path(root)).id if key_path(root).exists() else None

    def of_certificates() -> str | None:
        path = private_key_path(root)
        if not path.exists() and not certificate_paths(root / CERTIFICATES):
            return None
        read_private_key(path)
        return str(path)

    for what, look in (("suppression key", of_list), ("signing key", of_certificates)):
        try:
            found = look()
        except InputError as error:
            yield Finding(what, "fail", str(error), "bring the file back from where you keep it, readable by you alone")
        else:
            yield Finding(what, "ok", found or "made when the first request is carried out")
