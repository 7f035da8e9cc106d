"""Reading and writing the files of the contract: atomically, byte-stably, and without pickle."""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from safetensors import SafetensorError, safe_open

from aru.core.errors import InputError
from aru.core.leftovers import remove_path, temporary_beside

if TYPE_CHECKING:
    import torch  # takes seconds to import, and most files are no tensors

_META = "aru"  # one metadata key only: with several, safetensors' byte order is not stable


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it in when the block ends well, remove it otherwise.

    What a kill leaves is for `aru.core.leftovers.remove_leftovers`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        if path.is_dir():
            remove_path(path)
        os.replace(temporary, path)
    finally:
        remove_path(temporary)


def preallocate(file: BinaryIO, size: int, path: Path) -> None:
    """Reserve `size` bytes behind a file's end for `path`; InputError where its disk has no room for them."""
    file.flush()
    try:
        os.posix_fallocate(file.fileno(), file.tell(), size)
    except (AttributeError, OSError) as error:  # not every system and file system can
        if getattr(error, "errno", None) == errno.ENOSPC:
            free = shutil.disk_usage(Path(path).parent).free
            raise InputError(
                f"no room for {path}: it needs {size / 2**20:,.0f} MiB, the disk of {Path(path).parent} has "
                f"{free / 2**20:,.0f} MiB free; free some and run again, or choose a smaller data.resolution"
            ) from error


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON with sorted keys. Raises ValueError where a number is not finite."""
    with atomic_path(path) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")


def json_text(content: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """Read a JSON file; an unreadable one, or a number in it that is not finite, is an InputError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_not_finite, parse_float=_finite)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: run the stage that writes it") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not JSON ({error}): remove it and run its stage again") from error


def _finite(text: str) -> float:
    return value if math.isfinite(value := float(text)) else _not_finite(text)


def _not_finite(text: str) -> NoReturn:
    raise json.JSONDecodeError(f"the number {text} is not finite", text, 0)


def file_md5(path: Path) -> str:
    """The MD5 of a file's bytes as 32 hex digits: DVC's name for the file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def bytes_md5(content: bytes) -> str:
    """The MD5 of bytes as 32 hex digits: an identity, no protection."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def save_tensors(path: Path, tensors: "dict[str, torch.Tensor]", meta: dict[str, Any] | None = None) -> None:
    """Write tensors as safetensors, the same bytes for the same content."""
    from safetensors.torch import save_file

    content = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    text = json.dumps(meta or {}, sort_keys=True)
    with atomic_path(path) as temporary:
        save_file(content, str(temporary), metadata={_META: text})


def load_tensors(path: Path) -> "tuple[dict[str, torch.Tensor], dict[str, Any]]":
    """Read a safetensors file as (tensors, meta). Anything else, a pickle above all, is an InputError."""
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the handle is no dict
        return tensors, _meta(file, path)


def read_meta(path: Path) -> dict[str, Any]:
    """The meta of a safetensors file alone; what `load_tensors` refuses is refused."""
    with _opened(path) as file:
        return _meta(file, path)


def _meta(file: Any, path: Path) -> dict[str, Any]:
    meta = json.loads((file.metadata() or {}).get(_META, "{}"))
    if not isinstance(meta, dict):
        raise InputError(f"the metadata of {path} is no mapping: write it with aru.core.files.save_tensors")
    return meta


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist: run the stage that writes it, or name a .safetensors file")
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path} is not a safetensors file ({error}): pickles (.pt, .pth) are never loaded; convert the weights "
            "with safetensors.torch.save_file where you trust them"
        ) from error
