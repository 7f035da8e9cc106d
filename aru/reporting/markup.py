"""HTML that can not be injected into: whatever is not markup made here is escaped."""

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

VOID = frozenset({"img", "meta", "br"})
SCALE = 0.65  # of a PNG's pixels to the page's: figures are drawn finely enough for dense screens
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5d6676; --line: #dfe3ea; --paper: #ffffff;
  --ground: #f4f6f9; --good: #00795a; --bad: #b54a00; --open: #5d6676; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --soft: #a0a9b8; --line: #343b48; --paper: #1b2029;
  --ground: #12161d; --good: #3ec79b; --bad: #ff9a54; --open: #a0a9b8; --accent: #62b5ea; }
  figure img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
h3 { font-size: .95rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; max-width: 78ch; }
.lead, .note, figcaption { color: var(--soft); }
.note { font-size: .88rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.4rem 1.5rem;
  margin-top: 1.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .5rem .8rem .5rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; font-size: .88rem; }
thead th { color: var(--soft); vertical-align: bottom; }
tr:last-child > * { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
.figure { font-size: 1.2rem; font-weight: 600; display: block; }
.small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; white-space: nowrap; }
.findings { list-style: none; margin: 0; padding: 0; }
.findings li { display: grid; grid-template-columns: 13.5rem 1fr; gap: .9rem; padding: .55rem 0;
  border-bottom: 1px solid var(--line); }
.findings li:last-child { border-bottom: 0; }
.state { font-size: .84rem; font-weight: 600; }
.state::before { content: ""; display: inline-block; width: .62rem; height: .62rem; margin-right: .5rem;
  border-radius: 50%; background: currentColor; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
figure { margin: 0 0 1.8rem; }
figure:last-child { margin-bottom: 0; }
figure img { display: block; max-width: 100%; height: auto; margin: .5rem 0; border-radius: 6px; }
figcaption { font-size: .92rem; max-width: 82ch; }
details { margin-top: .8rem; } summary { cursor: pointer; color: var(--accent); }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 0 2.4rem; }
.columns td, .columns th { padding-top: .3rem; padding-bottom: .3rem; font-size: .9rem; }
@media (max-width: 640px) { .findings li { grid-template-columns: 1fr; gap: .1rem; } section { padding: 1rem; } }
@media print { body { background: none; } section { border: 0; padding: 0; } }
"""


class Html(str):
    """Text that is markup already."""


Child = object


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. Children and attribute values are escaped unless they are `Html`; `class_` gives `class`."""
    named = "".join(f' {key.rstrip("_")}="{html.escape(str(value))}"' for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{named}>")
    return Html(f"<{name}{named}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Children beside each other, escaped unless they are `Html`."""
    return Html("".join(child if isinstance(child, Html) else html.escape(str(child)) for child in children))


def table(head: Sequence[Child] | None, rows: Iterable[Sequence[Child]], *, numbers: bool = True) -> Html:
    """A table whose first column names the row; the others are flush right where they hold numbers."""
    kind = {"class_": "number"} if numbers else {}
    titles = [tag("th", title, scope="col", **(kind if column else {})) for column, title in enumerate(head or ())]
    top = tag("thead", tag("tr", *titles)) if titles else Html()
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell, **kind) for cell in row[1:])) for row in rows]
    return tag("div", tag("table", top, tag("tbody", *body)), class_="wide")


def picture(path: Path, *, title: str, text: str, alt: str) -> Html:
    """A figure with the PNG file inside it, a title and what it means in plain words."""
    content = path.read_bytes()
    data, width = base64.b64encode(content).decode("ascii"), int.from_bytes(content[16:20], "big")
    image = tag("img", src=f"data:image/png;base64,{data}", alt=alt, width=round(width * SCALE))
    return tag("figure", tag("h3", title), image, tag("figcaption", text))


def page(title: str, *sections: Html, style: str = "", script: str = "") -> str:
    """A whole document that fetches nothing and runs nothing but `script`: its own policy forbids the rest.

    `style` is added to that of all pages. Both are code of the project and are not escaped.
    """
    policy = f"{POLICY}; script-src '{_digest(script)}'" if script else POLICY
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'),
        tag("title", title),
        tag("style", Html(STYLE + style)),
    )
    body = tag("body", tag("main", *sections), *([tag("script", Html(script))] if script else []))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _digest(script: str) -> str:
    """The name by which a policy allows this script and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
