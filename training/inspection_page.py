"""An inspection as one HTML page with plots: everything is inside, so that it opens offline."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from matplotlib import pyplot as plt

from training import inspection_text
from training.plots import INK, WARM  # which chooses matplotlib's backend too: there is no screen

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1f2a44 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
.critical { color: #a4161a; font-weight: 600 } .warning { color: #8a5a00 }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top } img { max-width: 100% }
"""
_MAX_BARS: Final = 20


def write(path: Path, found: dict[str, Any]) -> None:
    """Write the page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(page(found), encoding="utf-8")
    part.rename(path)


def page(found: dict[str, Any]) -> str:
    """Return the page. Whatever comes from the data is escaped."""
    title = escape(f"{found['model']}: inspection")
    heads, splits = inspection_text.split_rows(found)
    body = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in inspection_text.heading(found)),
        *(f'<p class="warning">WARNING: {escape(text)}</p>' for text in inspection_text.warnings(found)),
        *_problems(found),
        "<h2>Leakage</h2>",
        *_findings(found),
        "<h2>Label</h2>",
        _table(("", "rows or value", "share"), inspection_text.label_rows(found)),
        _figure("label", _label_plot(found)),
        f"<h2>Splits, by {escape(found['split_by'])}</h2>",
        _table(heads, splits),
        "<h2>Features</h2>",
        f"<p>How well each feature alone predicts the label: {escape(found['measure'])} on the stopping split.</p>",
        _table(inspection_text.feature_heads(found), inspection_text.feature_rows(found)),
        _figure("features alone", _alone_plot(found)),
        "<h2>Values</h2>",
        *(_figure(name, _counts(name, counts)) for name, counts in found["histograms"].items()),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _problems(found: dict[str, Any]) -> Iterable[str]:
    if found["problems"]:
        yield "<h2>Training would stop</h2>"
    for problem in found["problems"]:
        yield f'<p class="critical">{escape(problem)}</p>'


def _findings(found: dict[str, Any]) -> list[str]:
    return [
        f'<p class="{escape(finding["severity"])}">{escape(finding["severity"])}: {escape(finding["message"])}</p>'
        for finding in found["findings"]
    ] or ["<p>Nothing found.</p>"]


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    used = [place for place in range(len(heads)) if place == 0 or any(line[place] for line in lines)]
    head = "".join(f"<th>{escape(heads[place])}</th>" for place in used)
    rows = ("<tr>" + "".join(f"<td>{escape(line[place])}</td>" for place in used) + "</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _figure(name: str, png: bytes) -> str:
    image = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{image}"></figure>'


def _label_plot(found: dict[str, Any]) -> bytes:
    label = found["label"]
    return _counts("label", list(label["classes"].items()) if "classes" in label else label["bins"])


def _counts(title: str, counts: Sequence[tuple[str, int]]) -> bytes:
    return _bars(title, [value for value, _ in counts], [rows for _, rows in counts], INK)


def _alone_plot(found: dict[str, Any]) -> bytes:
    known = [(f["name"], f["alone"]) for f in found["features"] if f["alone"] is not None]
    known.sort(key=lambda pair: pair[1], reverse=True)
    shown = known[:_MAX_BARS]
    return _bars(found["measure"], [name for name, _ in shown], [value for _, value in shown], WARM)


def _bars(title: str, heads: Sequence[str], values: Sequence[float], color: str) -> bytes:
    figure, axes = plt.subplots(figsize=(5.5, 0.24 * len(heads) + 1), layout="constrained")
    places = range(len(heads))
    axes.barh(places, values, color=color)
    # What comes from the data is no formula: matplotlib would read one between two dollar signs.
    axes.set_yticks(places, [_label(head) for head in heads], parse_math=False)
    axes.set_title(_label(title), parse_math=False)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that matplotlib's font lacks is drawn as a box; the table beside it has the letter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(picture, format="png", dpi=90)
    plt.close(figure)
    return picture.getvalue()


def _label(text: str) -> str:
    plain = "".join(character if character.isprintable() else "·" for character in text)
    return plain if len(plain) <= 30 else plain[:29] + "…"
