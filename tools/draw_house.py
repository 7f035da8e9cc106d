"""Draw the packages of `aru` and `flows` and their imports, as they are in the code: docs/house.svg.

    python tools/draw_house.py

`tests/house/test_rooms.py` compares the picture with the code. An arrow goes from a package to one that it imports, always
upwards. Its weight has three steps, so that a single new import seldom changes the picture.
"""

import ast
import textwrap
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "house.svg"
ROOMS = {
    "aru": (
        "core",
        "stats",
        "compute",
        "data",
        "faces",
        "nets",
        "train",
        "methods",
        "metrics",
        "comparison",
        "shadows",
        "audit",
        "reporting",
        "library",
        "stages",
        "commands",
    ),
    "flows": ("project", "servers", "tracking", "prediction", "pipeline", "experiments", "requests", "cli"),
}
"""The packages of each floor. A package imports only those before it, and `flows` all of `aru`."""
DOORS = {"aru": ("__main__", "api")}
"""The modules that stand outside the packages: they import any package of their floor, and no package imports them."""
ORDER = tuple(f"{floor}/{room}" for floor, rooms in ROOMS.items() for room in (*rooms, *(("*",) if floor in DOORS else ())))

_LEFT, _TOP, _COLUMN, _ROW, _BOX, _CHARACTERS = 12, 40, 30, 36, 122, 60
_WIDTH = _LEFT + _COLUMN * (len(ORDER) - 1) + _BOX + 10 + 6 * _CHARACTERS
_STEPS = (1, 5, 20)
"""The numbers of imports from which an arrow is of the first, second and third weight."""
_STYLE = """
svg { font-family: system-ui, sans-serif; font-size: 12px; --paper: #ffffff; --ink: #1f2328; --soft: #59636e;
      --aru: #0969da; --flows: #9a6700; --aru-box: #ddf4ff; --flows-box: #fff8c5; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1;
        --aru: #58a6ff; --flows: #d29922; --aru-box: #0c2d6b; --flows-box: #4b2900; }
}
.paper { fill: var(--paper); }
text { fill: var(--ink); }
.soft { fill: var(--soft); font-size: 11px; }
.aru { stroke: var(--aru); } .flows { stroke: var(--flows); }
path { fill: none; opacity: .75; } rect, circle { stroke-width: 1; }
rect.aru { fill: var(--aru-box); } rect.flows { fill: var(--flows-box); }
circle.aru, .tip.aru { fill: var(--aru); } circle.flows { fill: var(--flows); } .tip { stroke: none; }
.w1 { stroke-width: 1; } .w2 { stroke-width: 2.2; } .w3 { stroke-width: 4; }
"""


def imported_modules(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it, by their absolute names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module in ROOMS)


def room_of(path: Path) -> str:
    """The package that a file stands in, as in ORDER: `aru/core`, or `aru/*` for a module beside the packages."""
    floor, *inner = path.relative_to(ROOT).parts
    return f"{floor}/{inner[0]}" if len(inner) > 1 else f"{floor}/*"


def room_imports() -> Counter[tuple[str, str]]:
    """How many imports go from one package to another: {(importing, imported): number}, each module counted once a file."""
    found: Counter[tuple[str, str]] = Counter()
    for floor in ROOMS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            for module in sorted(set(imported_modules(path))):
                target, _, inner = module.partition(".")
                if target in ROOMS and inner:
                    name = inner.partition(".")[0]
                    room = f"{target}/*" if name in DOORS.get(target, ()) else f"{target}/{name}"
                    if room != room_of(path):
                        found[room_of(path), room] += 1
    return found


def purpose(room: str) -> str:
    """The first sentence of a package's docstring."""
    floor, name = room.split("/")
    if name == "*":
        return ", ".join(f"{floor}.{door}" for door in DOORS[floor] if (ROOT / floor / f"{door}.py").exists())
    docstring = ast.get_docstring(ast.parse((ROOT / floor / name / "__init__.py").read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("`", "")


def draw(imports: Counter[tuple[str, str]]) -> str:
    """The picture as SVG, the same bytes for the same imports: packages on a diagonal, arrows to the left and up."""
    weights = {
        (ORDER.index(source), ORDER.index(target)): sum(number >= step for step in _STEPS)
        for (source, target), number in imports.items()
    }
    height = _TOP + _ROW * len(ORDER)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        "<title>The packages of aru and flows, and what imports what</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="soft" x="{_LEFT}" y="20">A package imports those that its arrows reach. '
        f"Thin: fewer than {_STEPS[1]} imports; heavy: {_STEPS[2]} or more.</text>",
    ]
    for target in range(len(ORDER)):
        lines += _lane(target, weights)
    for source, room in enumerate(ORDER):
        lines += _row(source, weights)
        lines += _box(source, room)
    return "\n".join([*lines, "</svg>", ""])


def _lane(target: int, weights: dict[tuple[int, int], int]) -> list[str]:
    """The arrow up to a package, from all that import it; a stretch is as heavy as the heaviest import that it carries."""
    sources = sorted(source for source, other in weights if other == target)
    floors = [_floor(source) for source in sources]
    lines = []
    above = _bottom(target) + 6
    for number, source in enumerate(sources):
        heaviest = max(weights[other, target] for other in sources[number:])
        kind = "aru" if "aru" in floors[number:] else "flows"
        lines.append(f'<path class="{kind} w{heaviest}" d="M{_x(target)} {_middle(source)}V{above}"/>')
        above = _middle(source)
    if sources:
        x, y = _x(target), _bottom(target)
        lines.append(f'<path class="tip aru" d="M{x} {y}l-4 8h8z" style="fill: var(--{floors[0]}); opacity: 1"/>')
    return lines


def _row(source: int, weights: dict[tuple[int, int], int]) -> list[str]:
    """The line from a package to the arrows of those that it imports, with a dot on each."""
    targets = sorted(target for other, target in weights if other == source)
    lines, right = [], _x(source) - 8
    for target in reversed(targets):
        heaviest = max(weights[source, other] for other in targets if other <= target)
        lines.append(f'<path class="{_floor(source)} w{heaviest}" d="M{right} {_middle(source)}H{_x(target)}"/>')
        right = _x(target)
    dots = [
        f'<circle class="{_floor(source)}" cx="{_x(target)}" cy="{_middle(source)}" r="{1 + 1.5 * weights[source, target]}"/>'
        for target in targets
    ]
    return lines + dots


def _box(source: int, room: str) -> list[str]:
    left, middle = _x(source) - 8, _middle(source)
    text = textwrap.wrap(purpose(room), _CHARACTERS, max_lines=2, placeholder=" ...")
    first = middle + 4 - 7 * (len(text) - 1)
    words = [
        f'<text class="soft" x="{left + _BOX + 8}" y="{first + 14 * line}">{escape(part, quote=False)}</text>'
        for line, part in enumerate(text)
    ]
    return [
        f'<rect class="{_floor(source)}" x="{left}" y="{middle - 12}" width="{_BOX}" height="24" rx="4"/>',
        f'<text x="{left + 8}" y="{middle + 4}">{room}</text>',
        *words,
    ]


def _floor(number: int) -> str:
    return ORDER[number].partition("/")[0]


def _x(number: int) -> int:
    return _LEFT + 8 + _COLUMN * number


def _middle(number: int) -> int:
    return _TOP + _ROW * number + _ROW // 2


def _bottom(number: int) -> int:
    return _middle(number) + 12


if __name__ == "__main__":
    PICTURE.write_text(draw(room_imports()), encoding="utf-8")
