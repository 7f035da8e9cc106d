"""Photos that their folders and names describe: one folder a class, one a person, or a pattern of paths."""

import re

from aru.core.errors import InputError
from aru.data.archive import Archive
from aru.data.faults import Faults
from aru.data.sources.found import SPLIT_FOLDERS, Columns, Found, Photo, image_names, top_folder

SHOWN = 10  # files on which a pattern is shown
PLAIN = {"class": "{label}/{n}", "person": "{person}/{n}"}
_FIELDS = ("person", "family", "split")
_IGNORED = ("n", "_")


def find_by_folder(archive: Archive, columns: Columns, faults: Faults) -> Found:
    """The photos of an archive by `columns.pattern`; folders `train`, `test`, `unseen` above the others are the split."""
    names = image_names(archive)
    if not names:
        raise InputError("no image is there: name the folder, or the zip file, that holds the photos")
    top = top_folder(names)
    paths = [name.removeprefix(top) for name in names]
    pattern = PLAIN.get(columns.pattern, columns.pattern)
    if columns.pattern in PLAIN and {path.partition("/")[0].lower() for path in paths} <= SPLIT_FOLDERS:
        pattern = "{split}/" + pattern
    expression, fields = compile_pattern(pattern, whole=columns.pattern not in PLAIN)
    labels = tuple(field for field in fields if field not in _FIELDS)
    photos, shown = [], [f"Pattern {pattern}:"]
    for name, path in zip(names, paths, strict=True):
        match = expression.fullmatch(path)
        if match is None:
            faults.add(name, f"does not fit the pattern {pattern}", "give another --pattern, or move the file away")
            continue
        values = match.groupdict()
        person, family, split = (values.get(field, "") for field in _FIELDS)
        photos.append(Photo(name, person, family, split, tuple(values[label] for label in labels)))
        if len(photos) <= SHOWN:
            shown.append(f"  {path}: {', '.join(f'{field} {values[field]!r}' for field in fields)}")
    return Found(photos, labels, ("\n".join(shown),))


def compile_pattern(pattern: str, *, whole: bool) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """A pattern of paths as a regular expression, and its fields; `{n}` and `{_}` are passed over.

    A field matches within one part of the path, text in any case. Where the pattern is not `whole`, `{n}` matches the rest.
    """
    if not re.fullmatch(r"([^{}]|\{[A-Za-z_][A-Za-z0-9_]*\})*", pattern):
        raise InputError(
            f"--pattern {pattern!r} has a brace or a name that is not read: write it as {{person}}/{{label}}_{{n}}.jpg"
        )
    fields: list[str] = []
    parts = []
    for text, field in re.findall(r"([^{}]*)(?:\{(\w+)\})?", pattern):
        parts.append(re.escape(text))
        if not field:
            continue
        if field in _IGNORED:
            parts.append("[^/]+?" if whole else ".+")
        elif field in fields:
            raise InputError(f"--pattern {pattern!r} has the field {field!r} twice: name each once")
        else:
            fields.append(field)
            parts.append(f"(?P<{field}>[^/]+?)")
    if not fields:
        raise InputError(f"--pattern {pattern!r} has no field: write it as {{person}}/{{label}}_{{n}}.jpg")
    return re.compile("".join(parts), re.IGNORECASE), tuple(fields)
