"""The pieces of which the pages are made: text that cannot do harm, tables, figures."""

import base64
import re
from collections.abc import Sequence
from html import escape

LONGEST = 200  # characters of a text that is not ours
ELLIPSIS = "…"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def shortened(text: object, longest: int = LONGEST) -> str:
    """Return text on one line, printable, and cut off where it is longer than that."""
    line = "".join(char if char.isprintable() else " " for char in str(text)[: 4 * longest])
    line = " ".join(line.split())
    cut = len(line) > longest or len(str(text)) > 4 * longest
    return line[: longest - 1].rstrip() + ELLIPSIS if cut else line


def html(value: object) -> Html:
    """Return a value as HTML: `Html` as it is, anything else escaped and shortened."""
    return value if isinstance(value, Html) else Html(escape(shortened(value)))


def element(name: str, *inside: object, **attributes: str) -> Html:
    """Return an HTML element; attributes as ``class_`` and ``aria_label``."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{told}>{''.join(map(html, inside))}</{name}>")


def say(text: str) -> Html:
    """Return our own words, in which what others wrote is shortened already."""
    return Html(escape(text))


def paragraph(text: str, **attributes: str) -> Html:
    """Return a paragraph of our own words."""
    return element("p", say(text), **attributes)


def wide(inside: Html, label: str) -> Html:
    """Return something that scrolls by itself where the window is narrower."""
    return element("div", inside, class_="wide", tabindex="0", role="group", aria_label=label)


def table(
    header: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    left: int = 1,
    caption: str = "",
    stacked: bool = False,
) -> Html:
    """Return a table.

    Parameters
    ----------
    header, rows
        Cells. A row of one cell is a heading over all columns.
    left
        How many columns, from the first, are text; the others are numbers.
    caption
        What it shows.
    stacked
        On a phone each row becomes a block, with the name of the column above each number.
    """
    head = element(
        "tr",
        *(element("th", cell, scope="col", class_=_kind(k, left)) for k, cell in enumerate(header)),
    )
    body = []
    for row in rows:
        if len(row) == 1:
            cell = element("th", row[0], colspan=str(len(header)), scope="colgroup")
            body.append(element("tr", cell, class_="group"))
            continue
        labels = [str(name) if stacked else "" for name in header]
        cells = [_cell(cell, _kind(k, left), labels[k]) for k, cell in enumerate(row)]
        if row[0] != "":  # a row that goes on has no header of its own
            cells[0] = element("th", row[0], scope="row", class_="text")
        body.append(element("tr", *cells))
    about = [element("caption", say(caption))] if caption else []
    parts = (*about, element("thead", head), element("tbody", *body))
    whole = element("table", *parts, class_="stacked") if stacked else element("table", *parts)
    return wide(whole, caption or "table")


def _cell(cell: object, kind: str, label: str) -> Html:
    """Return a cell; a number may be broken before its interval, but not within that."""
    text = html(cell)
    if kind == "number":
        text = Html(re.sub(r"\([^()<>]*\)", lambda found: found[0].replace(" ", "&nbsp;"), text))
    told = {"data_label": label} if label else {}
    return element("td", text, class_=kind, **told)


def _kind(column: int, left: int) -> str:
    return "text" if column < left else "number"


def data_table(
    header: Sequence[object], rows: Sequence[Sequence[object]], *, left: int = 1
) -> Html:
    """Return a table that is shown when asked for: the numbers of a figure."""
    summary = element("summary", "The numbers of this figure")
    return element("details", summary, table(header, rows, left=left))


def figure(picture: bytes, finding: str, caption: str, data: Html = Html("")) -> Html:  # noqa: B008
    """Return a figure.

    Parameters
    ----------
    picture
        WebP file.
    finding
        What it shows, for those who do not see it.
    caption
        How to read it.
    data
        Its numbers, see `data_table`.
    """
    source = f"data:image/webp;base64,{base64.b64encode(picture).decode()}"
    image = Html(f'<img src="{source}" alt="{escape(finding)}">')
    return element("figure", wide(image, "figure"), element("figcaption", say(caption)), data)


def facts(pairs: Sequence[tuple[object, object]]) -> Html:
    """Return names with what is told about them, those without left out."""
    told = [
        element("div", element("dt", name), element("dd", value)) for name, value in pairs if value
    ]
    return element("dl", *told)
