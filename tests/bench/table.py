"""Plain tables."""

from __future__ import annotations

from collections.abc import Sequence


def title(text: str) -> str:
    """Return a heading."""
    return f"\n## {text}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as Markdown, columns aligned."""
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])
