"""A user's own photos, made up: four photos of each of five people, half of them cats, in a folder and in a table."""

from pathlib import Path

from tests.helpers.archives import jpeg

PEOPLE = ("Ann", "Bo", "Cy", "Dee", "Eve")


def photos() -> dict[str, bytes]:
    """Photos by path, as PERSON/cat_0.jpg."""
    return {
        f"{person}/{('cat', 'dog')[number % 2]}_{number}.jpg": jpeg(4 * place + number)
        for place, person in enumerate(PEOPLE)
        for number in range(4)
    }


def folder(root: Path, files: dict[str, bytes]) -> Path:
    """A folder of these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def records() -> list[dict[str, str]]:
    """The rows of a table of the photos."""
    return [{"file_name": name, "person": name.split("/")[0], "label": name.split("/")[1][:3]} for name in photos()]


def as_csv(sign: str = ",", end: str = "\n", blank: str = "") -> str:
    """The table as CSV, with blanks around values."""
    lines = [sign.join(f" {cell} " for cell in row.values()) for row in records()]
    return end.join([sign.join(["file_name", "person", "label"]), blank, *lines, blank])
