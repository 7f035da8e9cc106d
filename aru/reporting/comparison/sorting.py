"""What the results page adds to the style of all pages, and the few lines that make its tables sortable.

The script turns headings into buttons, so that they can be reached and pressed from the keyboard; what is not known sorts
last either way. Without it the page is the same but for the sorting.
"""

STYLE = """
main { max-width: 1440px; }
section > .note { max-width: 100ch; }
ul.note { padding-left: 1.1rem; margin: .4rem 0 1rem; }
td, th { padding: .4rem 0 .4rem .7rem; font-size: .92rem; }
th:first-child { padding-left: 0; }
thead th, thead th.number, thead .small { white-space: normal; line-height: 1.3; }
td .small { line-height: 1.35; font-size: .75rem; }
tbody th { font-size: .92rem; min-width: 10.6rem; }
.mark { margin-left: .5rem; white-space: nowrap; color: var(--soft); font-size: .78rem; font-weight: 400; }
.mark.before { margin: 0 .5rem 0 0; }
tbody tr:hover { background: color-mix(in srgb, var(--accent) 6%, transparent); }
tr.ours { background: color-mix(in srgb, var(--accent) 10%, transparent); }
tr.ours > th { color: var(--accent); }
tbody tr:last-child > * { border-bottom: 1px solid var(--line); }
tfoot th, tfoot td { color: var(--soft); font-weight: 400; border-bottom: 0; }
th button { all: unset; cursor: pointer; font: inherit; color: inherit; }
th button:hover { color: var(--accent); }
th button:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
th[aria-sort="ascending"] .title::after { content: " \\25b2"; font-size: .7em; }
th[aria-sort="descending"] .title::after { content: " \\25bc"; font-size: .7em; }
a { color: var(--accent); }
tbody details { margin-top: .15rem; font-weight: 400; font-size: .8rem; }
tbody details[open] { max-width: 22rem; }
tbody details code { display: block; margin: .3rem 0; user-select: all; }
ul.runs { margin: .2rem 0; padding: 0; list-style: none; columns: 3; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 0 2.2rem;
  margin: 1.2rem 0 .6rem; }
.plots figure { margin: 0; }
details.part { margin-top: 1.8rem; }
.part > summary { color: var(--ink); font-size: 1.05rem; font-weight: 600; margin-bottom: .5rem; }
"""

SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => row.cells[column].dataset.value;
  const order = (column, sign) => (one, other) => {
    const [a, b] = [value(one, column), value(other, column)];
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    return sign * (column ? a - b : a.localeCompare(b));
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "ascending" : column === 0;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      body.append(...[...body.rows].sort(order(column, up ? 1 : -1)));
    });
  });
}
"""
