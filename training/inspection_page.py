"""An inspection as one HTML page with plots: everything is inside, so that it opens offline.

Plots are boxes whose sizes are styles. A picture for each feature would take minutes where there are hundreds, and its
font would lack the letters of most languages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from hotclub.errors import HotclubError
from training import inspection_text

_STYLE: Final = """
:root { color-scheme: light }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto 4rem; padding: 0 1.25rem;
  color: #1f2a44; background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.9rem; margin: 0 } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem }
h3 { font-size: .95rem; margin: 0 0 .1rem } .quiet { color: #5b6478 } .small { font-size: .82rem }
.note { border-left: 4px solid; border-radius: 4px; padding: .5rem .9rem; margin: .5rem 0 }
.critical { color: #8f1019; background: #fdf0f0; font-weight: 600 } .warning { color: #6d4700; background: #fdf6e7 }
.good { color: #14583a; background: #eef7f2 }
.wide { overflow-x: auto } table { border-collapse: collapse; min-width: 24rem }
th, td { text-align: left; padding: .35rem 1.1rem .35rem 0; border-bottom: 1px solid #e3e6ec; vertical-align: top }
th { font-weight: 600; color: #5b6478; font-size: .85rem; white-space: nowrap }
td { overflow-wrap: normal; max-width: 48rem } td.short { font-variant-numeric: tabular-nums; white-space: nowrap }
td:first-child { min-width: 9rem; max-width: 22rem; overflow-wrap: anywhere; white-space: normal } .cut { display: block; max-width: 16rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1rem }
.card { border: 1px solid #e3e6ec; border-radius: 8px; padding: .9rem 1rem; min-width: 0 }
.columns { display: flex; align-items: flex-end; gap: 2px; height: 6rem; margin-top: .6rem; border-bottom: 1px solid #b9c0cd }
.columns div { flex: 1; background: #3b5487; min-height: 1px; border-radius: 2px 2px 0 0 }
.ends { display: flex; justify-content: space-between }
.bars .cut { max-width: none } .bars { display: grid; grid-template-columns: fit-content(45%) minmax(3rem, 1fr) auto; gap: .15rem .6rem; align-items: center; margin-top: .5rem }
.bar { height: .75rem; background: #3b5487; border-radius: 2px; min-width: 1px }
.alone { display: inline-block; width: 6rem; height: .55rem; margin-left: .6rem; background: #e9ecf2; border-radius: 2px }
.alone span { display: block; height: 100%; background: #c8553d; border-radius: 2px }
"""
#: More categories than this in a plot say nothing more; a table of others has their number.
_MAX_BARS: Final = 8
#: A cell with so few characters is not broken into two lines.
_SHORT: Final = 24


def require_file(path: Path) -> None:
    """Refuse a path that no page can be written to, before rows are read.

    Raises:
        HotclubError: it is a folder, or below a file.
    """
    if path.is_dir():
        raise HotclubError(f"--html: {path} is a folder: name a file in it, such as {path / 'page.html'}")
    above = next((folder for folder in path.parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise HotclubError(f"--html: {path} is below {above}, which is a file: name another folder")


def write(path: Path, found: dict[str, Any]) -> None:
    """Write the page, whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(page(found), encoding="utf-8")
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def page(found: dict[str, Any]) -> str:
    """Return the page. Whatever comes from the data is escaped."""
    title = f"{found['model']}: inspection"
    heads, splits = inspection_text.split_rows(found)
    body = [
        f"<h1>{_text(found['model'])}</h1>",
        *(f'<div class="quiet">{_text(line)}</div>' for line in inspection_text.heading(found)),
        *(_note("warning", f"WARNING: {text}") for text in inspection_text.warnings(found)),
        *_problems(found),
        "<h2>Leakage</h2>",
        *_findings(found),
        "<h2>Label</h2>",
        *_label(found),
        f"<h2>Splits, by {_text(found['split_by'])}</h2>",
        _table(heads, [[_text(cell) for cell in line] for line in splits]),
        "<h2>Features</h2>",
        f"<p>How well each feature alone predicts the label: {_text(found['measure'])} on the stopping split.</p>",
        _features(found),
        "<h2>Values</h2>",
        '<div class="grid">',
        *(_values(feature, found["histograms"][feature["name"]]) for feature in found["features"]),
        "</div>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _text(value: object) -> str:
    """Return text of the data as HTML: no tags, and no signs that move what follows."""
    return escape("".join(character if character.isprintable() else "·" for character in str(value)))


def _note(kind: str, text: str) -> str:
    return f'<p class="note {kind}">{_text(text)}</p>'


def _problems(found: dict[str, Any]) -> Iterable[str]:
    if found["problems"]:
        yield "<h2>Training would stop</h2>"
    for problem in found["problems"]:
        yield _note("critical", problem)


def _findings(found: dict[str, Any]) -> list[str]:
    return [
        _note(finding["severity"], f"{finding['severity']}: {finding['message']}")
        for finding in inspection_text.ordered(found["findings"])
    ] or [_note("good", "Nothing found.")]


def _label(found: dict[str, Any]) -> Iterable[str]:
    label = found["label"]
    if "classes" in label:
        yield f'<div class="card">{_bars(list(label["classes"].items()), len(label["classes"]))}</div>'
        return
    rows = [[_text(cell) for cell in line] for line in inspection_text.label_rows(found)]
    yield f'<div class="grid"><div>{_table(("", "value", ""), rows)}</div>'
    yield f'<div class="card">{_columns(label["bins"])}</div></div>'


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; a column without any value is left out."""
    used = [place for place in range(len(heads)) if place == 0 or any(line[place] for line in lines)]
    head = "".join(f"<th>{_text(heads[place])}</th>" for place in used)
    rows = ("<tr>" + "".join(_cell(line[place]) for place in used) + "</tr>" for line in lines)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _cell(text: str) -> str:
    is_short = len(text) <= _SHORT or text[:1].isdigit()
    return f'<td class="short">{text}</td>' if is_short else f"<td>{text}</td>"


def _features(found: dict[str, Any]) -> str:
    """Return the table of features, with a bar for how well each predicts alone; long cells are cut, and whole on hover."""
    heads = inspection_text.feature_heads(found)
    lines = []
    for line in inspection_text.feature_rows(found):
        cells = [_text(cell) for cell in line[:6]]
        cells += [
            f'<span class="cut" title="{_text(cell)}">{_text(cell)}</span>' if cell else ""
            for cell in line[6:]
        ]
        cells[3] += _alone(line[3])
        lines.append(cells)
    return _table(heads, lines)


def _alone(text: str) -> str:
    share = 0.0 if text == "-" else min(max(float(text), 0.0), 1.0)
    return f'<span class="alone"><span style="width:{share:.0%}"></span></span>'


def _values(feature: dict[str, Any], counts: Sequence[tuple[str, int]]) -> str:
    """Return a card: columns for a number's bins, bars for the most frequent of other values, and nulls as text."""
    nulls = next((rows for value, rows in counts[-1:] if value == "null"), 0)
    known = counts[:-1]
    every = sum(rows for _, rows in known)
    facts = [feature["type"], *([feature["unit"]] if feature["unit"] else [])]
    facts.append(f"{nulls:,} null{'s' if nulls != 1 else ''}" if nulls else "no nulls")
    if not every:
        plot = '<p class="quiet">null in every row</p>'
    elif feature["type"] == "number":
        plot = _columns(known)
    elif known[0][1] * 100 < every and known[-1][0] == "others":
        plot = (
            f'<p class="quiet">each value is in less than 1 % of the rows, such as {_text(known[0][0])}</p>'
        )
    else:
        plot = _bars(known, _MAX_BARS)
    return (
        f'<div class="card"><h3>{_text(feature["name"])}</h3><div class="quiet small">{_text(", ".join(facts))}</div>'
        f"{plot}</div>"
    )


def _columns(bins: Sequence[tuple[str, int]]) -> str:
    if len(bins) < 2:  # one bin has no shape
        return _bars(bins, 1)
    most = max(rows for _, rows in bins) or 1
    columns = "".join(
        f'<div style="height:{100 * rows / most:.1f}%" title="{_text(value)}: {rows:,}"></div>'
        for value, rows in bins
    )
    ends = f"<span>{_text(bins[0][0])}</span><span>{_text(bins[-1][0])}</span>"
    return f'<div class="columns">{columns}</div><div class="ends quiet small">{ends}</div>'


def _bars(counts: Sequence[tuple[str, int]], most_bars: int) -> str:
    shown = list(counts[:most_bars])
    rest = sum(rows for _, rows in counts[most_bars:])
    shown += [("others", rest)] if rest else []
    most = max((rows for _, rows in shown), default=0) or 1
    every = sum(rows for _, rows in shown) or 1
    lines = (
        f'<span class="cut" title="{_text(value)}">{_text(value) or "(empty)"}</span>'
        f'<div><div class="bar" style="width:{100 * rows / most:.1f}%"></div></div>'
        f'<span class="quiet small">{rows:,} ({rows / every:.1%})</span>'
        for value, rows in shown
    )
    return f'<div class="bars">{"".join(lines)}</div>'
