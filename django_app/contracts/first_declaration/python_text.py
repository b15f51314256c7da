"""Python source as a formatter leaves it: literals, calls and comments."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

#: The width of the narrowest formatter in use: what fits here fits everywhere.
WIDTH: Final = 88


def literal(value: object) -> str:
    """Return a text, number, truth value or None as source, in double quotes unless that needs more escapes."""
    if not isinstance(value, str):
        return repr(value)
    quote = "'" if value.count('"') > value.count("'") else '"'
    # repr escapes what cannot be printed, among it what would change the direction of the line.
    body = "".join(c if c in "\"'" else repr(c)[1:-1] for c in value)
    return f"{quote}{body.replace(quote, chr(92) + quote)}{quote}"


def bracketed(before: str, parts: Sequence[str], after: str, indent: int) -> list[str]:
    """Return the lines of ``before`` + parts + ``after``: on one line where it fits, else a line each, with the last comma.

    Args:
        before: the text up to the opening bracket, which it ends with.
        parts: what stands between the brackets.
        after: the closing bracket and what follows it.
        indent: of the first line, in spaces.
    """
    pad = " " * indent
    one_line = f"{pad}{before}{', '.join(parts)}{after}"
    if len(one_line) <= WIDTH:
        return [one_line]
    return [f"{pad}{before}", *(f"{pad}    {part}," for part in parts), f"{pad}{after}"]


def comment(text: str, indent: int, hanging: int = 0) -> list[str]:
    """Return a text as lines of a comment; what is no printable character becomes a space.

    Args:
        text: of any characters.
        indent: of all lines, in spaces.
        hanging: more spaces of every line but the first.
    """
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    pad = " " * indent + "# "
    return textwrap.wrap(
        plain,
        WIDTH,
        initial_indent=pad,
        subsequent_indent=pad + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
