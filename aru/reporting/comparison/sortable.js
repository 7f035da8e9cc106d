/* Makes the tables of the results page sortable. Headings become buttons, so that they can be reached and pressed from the
   keyboard; what is not known sorts last either way. Without this script the page is the same but for the sorting. */
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
