"""`aru certificate`: keys that sign, certificates verified and shown, and absence proofs for a request's hashes."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aru.core.errors import InputError
from flows.cli.context import enter_project

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from flows.requests.certificates.verifying import Verification

commands = typer.Typer(
    name="certificate", help="Verify certificates of erasure, and make the keys that sign them.", no_args_is_help=True
)

_FAULTY = 1
Key = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="A trusted public key; repeatable. The folder keys/ beside, if left out."),
]


@commands.command("keys")
def make_keys(
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the public key here, too.")] = None,
) -> None:
    """Make the pair of keys that signs this project's certificates, or show the one that is there."""
    from flows.project.private import private_folder
    from flows.requests.certificates.envelope import (
        key_id,
        new_key,
        private_key_path,
        read_private_key,
        write_public_key,
    )
    from flows.requests.certificates.issuing import CERTIFICATES, PUBLIC_KEYS

    root = enter_project()
    private_folder(root)
    path = private_key_path(root)
    public = (read_private_key(path) if path.exists() else new_key(path)).public_key()
    place = root / CERTIFICATES / PUBLIC_KEYS / f"{key_id(public)[:16]}.pem"
    for target in (place, export) if export else (place,):
        write_public_key(target, public)
    print(f"public key {key_id(public)}\nin {place.relative_to(root)}; the private one is {path}: keep a copy of it elsewhere")


@commands.command()
def verify(
    path: Annotated[Path, typer.Argument(help="A certificate, or a folder of them.")] = Path("certificates"),
    key: Key = None,
    files: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Compare the files in this project folder with their digests, too.")
    ] = None,
) -> None:
    """Check signatures, chain, limits and absence proofs by public keys alone; exit code 1 where anything does not hold."""
    raise typer.Exit(show_verification(path, key or (), files))


def show_verification(path: Path, keys: Iterable[Path], files: Path | None) -> int:
    """Verify a certificate or a folder of them, and print every check; the exit code: 1 where something does not hold."""
    from flows.requests.certificates.verifying import verify_certificate, verify_folder

    folder = path if path.is_dir() else path.parent
    trusted = _trusted(folder, keys)
    done = verify_folder(folder, trusted, root=files) if path.is_dir() else [verify_certificate(path, trusted, root=files)]
    if not done:
        raise InputError(f"{path} holds no certificates, whose names are like 000001-R-000001.json")
    for one in done:
        _print(one)
    return 0 if all(one.holds for one in done) else _FAULTY


@commands.command("issue")
def issue_command(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="A fulfilled request, as R-000001.")],
) -> None:
    """Issue a fulfilled request's certificate where it lacks one, or one in its place: with the time since when the served
    model has forgotten the person, once a server has reported it."""
    from flows.project.folder import project_lock
    from flows.requests.certificates.issuing_for_request import certify
    from flows.requests.ledger.ledger import project_ledger
    from flows.requests.ledger.records import operator
    from flows.requests.processing.certifying import places_now

    root = enter_project()
    with project_lock(root), project_ledger(root) as ledger:
        path = certify(root, ledger, request, places_now(root, ledger, request), actor=operator())
    print(f"{path.relative_to(root)} is the newest certificate of {request}")


@commands.command()
def show(
    path: Annotated[Path, typer.Argument(help="A certificate.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="The page to write.")],
    key: Key = None,
) -> None:
    """Write a certificate that verifies as a page to read and print."""
    from aru.core.files import atomic_path
    from aru.reporting.certificate.page import certificate_page
    from flows.requests.certificates.contents import statement_of
    from flows.requests.certificates.verifying import verify_certificate

    done = verify_certificate(path, _trusted(path.parent, key or ()))
    if not done.holds or done.certificate is None:
        _print(done)
        raise typer.Exit(_FAULTY)
    with atomic_path(to) as temporary:
        temporary.write_text(certificate_page(statement_of(done.certificate)), encoding="utf-8")
    print(f"{to} shows {path}")


@commands.command()
def absence(
    photos: Annotated[Path, typer.Argument(help="The list of a released data version's photo hashes.")],
    certificate: Annotated[Path, typer.Argument(help="The certificate of a request.")],
    key: Key = None,
) -> None:
    """Look a request's photo hashes up in a data version's list; exit code 1 where one of them is there."""
    from flows.requests.certificates.photo_hashes import absence as look_up
    from flows.requests.certificates.photo_hashes import proven_absent, read_photo_hashes
    from flows.requests.certificates.verifying import verify_certificate

    released = read_photo_hashes(photos)
    done = verify_certificate(certificate, _trusted(certificate.parent, key or ()))
    if done.certificate is None:
        _print(done)
        raise typer.Exit(_FAULTY)
    if done.certificate.data.keys != released.keys:
        raise InputError(
            f"{photos} has hashes under the keys {released.keys}, the certificate under {done.certificate.data.keys}: they "
            "cannot be compared, take a list that was made under the same keys"
        )
    hashes = [match.keyed_hash for match in done.certificate.matched if match.kind in ("digest", "pixels")]
    found = look_up(hashes, released)
    print(f"{len(found.proofs)} of {len(hashes)} photo hashes are not in the list, whose root is {released.root}")
    raise typer.Exit(0 if not found.present and proven_absent(found.proofs, released.root) else _FAULTY)


def _trusted(folder: Path, keys: Iterable[Path]) -> list["Ed25519PublicKey"]:
    from flows.requests.certificates.envelope import read_public_key, read_public_keys
    from flows.requests.certificates.issuing import PUBLIC_KEYS

    trusted = [read_public_key(path) for path in keys] or read_public_keys(folder / PUBLIC_KEYS)
    if not trusted:
        raise InputError(f"no public key is in {folder / PUBLIC_KEYS}: name the signer's by --key FILE")
    return trusted


def _print(done: "Verification") -> None:
    print(f"{done.path}: {'verified' if done.holds else 'NOT VERIFIED'}")
    for check in done.checks:
        print(f"  {'unknown' if check.holds is None else 'ok' if check.holds else 'WRONG'}  {check.name}: {check.text}")
