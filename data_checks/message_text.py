"""Names, values and numbers of a file in words that its owner can read, and short."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

#: The most characters that a report shows of one text.
MAX_TEXT: Final = 200
#: What a sentence shows of a value or a name.
MAX_SHORT_TEXT: Final = 40
#: How many names or values a sentence lists.
MAX_LISTED: Final = 8

#: How many members of a list or an object a report shows.
_MAX_MEMBERS: Final = 50
#: float8's greatest number.
_FLOAT8_MAX: Final = 1.7976931348623157e308
_OWN_NAMES: Final = {
    "\t": "tab",
    "\n": "line break",
    "\r": "carriage return",
    "\0": "NUL character",
    "\ufeff": "byte order mark",
}
_DECOMPOSED: Final = "its accents are characters of their own (Unicode NFD instead of NFC)"
_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '""'}


def cut(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text, shortened to `limit` characters with ``…`` at the end."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def quoted(text: str, limit: int = MAX_SHORT_TEXT) -> str:
    """Return a text in quotes, short, with what cannot be seen escaped."""
    shown = "".join(_visible(character) for character in text[: limit + 1])
    return f'"{cut(shown, limit)}"'


def _visible(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\u{ord(character):04x}"


def name(text: str) -> str:
    """Return a column's name as it is where that is clear, else in quotes."""
    clear = text.isprintable() and text == text.strip() and not set(text) & set("\"'`,;") and text
    return text if clear and len(text) <= MAX_SHORT_TEXT else quoted(text)


def value(item: Any) -> str:
    """Return a value for a sentence: texts in quotes, whole numbers without decimals, nothing as `empty`."""
    if item is None:
        return "empty"
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, int | float):
        return number(item)
    return quoted(item) if isinstance(item, str) else cut(str(item), MAX_SHORT_TEXT)


def number(amount: float) -> str:
    """Return a number in full: 1000000, not 1e+06."""
    if math.isfinite(amount) and amount == int(amount) and abs(amount) < 1e16:  # float8's exact integers
        return str(int(amount))
    return f"{amount:.15g}" if isinstance(amount, float) else cut(str(amount), MAX_SHORT_TEXT)


def listed(items: Iterable[Any], show: Callable[[Any], str] = value) -> str:
    """Return a list for a sentence; past the first few only how many more there are."""
    every = list(items)
    more = f" and {len(every) - MAX_LISTED:,} more" if len(every) > MAX_LISTED else ""
    return ", ".join(show(item) for item in every[:MAX_LISTED]) + more


def bounds(minimum: Any, maximum: Any, *, above: bool = False, below: bool = False) -> str:
    """Return ``at least 0 and at most 100``; with `above` or `below`, that bound itself is out."""
    parts = []
    if minimum is not None:
        parts.append(f"{'more than' if above else 'at least'} {_bound(minimum)}")
    if maximum is not None:
        parts.append(f"{'less than' if below else 'at most'} {_bound(maximum)}")
    return " and ".join(parts)


def _bound(item: Any) -> str:
    return cut(item, MAX_SHORT_TEXT) if isinstance(item, str) else value(item)


def rows(count: int) -> str:
    """Return ``1 row`` or ``2,000 rows``."""
    return "1 row" if count == 1 else f"{count:,} rows"


def fold(text: str) -> str:
    """Return what is left of a name without case, accents' form, blanks and what cannot be seen."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isprintable() and c not in " _-.")


def look_alike(found: str, wanted: str) -> bool:
    """Return whether names differ only where one of them has a letter of another alphabet, which may look the same."""
    pairs = list(zip(found, wanted, strict=False))
    other = [a for a, b in pairs if a != b]
    return len(found) == len(wanted) and 0 < len(other) < len(pairs) and not any(c.isascii() for c in other)


def difference(found: str, wanted: str) -> str:
    """Say in which way a name in a file is not the one in the contract."""
    said = invisible(found)
    if unicodedata.normalize("NFC", found) != found and unicodedata.normalize("NFC", wanted) == wanted:
        said.append(_DECOMPOSED)
    bare = unicodedata.normalize("NFC", "".join(c for c in found if c == " " or c.isprintable()).strip())
    if bare == unicodedata.normalize("NFC", wanted):
        return "; ".join(said) or "it is written in other characters that look the same"
    if bare.casefold() == unicodedata.normalize("NFC", wanted).casefold():
        return "; ".join([*said, "upper and lower case differ"])
    return "; ".join([*said, _first_difference(bare, wanted)])


def hidden_difference(found: str, allowed: Iterable[Any]) -> str | None:
    """Say why a value is not the allowed one that it looks like; None where the eye sees what is wrong with it.

    A value whose accents are characters of their own is said to have them also where it looks like none of them.
    """
    for wanted in allowed:
        if isinstance(wanted, str) and found != wanted and _looks_like(found, wanted):
            return difference(found, wanted)
    return _DECOMPOSED if unicodedata.normalize("NFC", found) != found else None


def _looks_like(found: str, wanted: str) -> bool:
    return _seen(found) == _seen(wanted) or look_alike(_seen(found), _seen(wanted))


def _seen(text: str) -> str:
    """Return what the eye sees of a text, without any blanks."""
    return unicodedata.normalize("NFKC", "".join(c for c in text if c.isprintable() and c != " "))


def _first_difference(found: str, wanted: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), None)
    if at is None:
        return "it is longer" if len(found) > len(wanted) else "it is shorter"
    return f"{quoted(found[at])} (U+{ord(found[at]):04X}) stands for {quoted(wanted[at])}"


def invisible(text: str) -> list[str]:
    """Name what cannot be seen in a text: ``a no-break space (U+00A0) at the end``."""
    said = []
    stripped = text.strip()
    start = text.find(stripped) if stripped else 0
    end = start + len(stripped)
    for position, character in enumerate(text):
        outside = position < start or position >= end
        if character.isprintable() and not (character == " " and outside):
            continue
        where = (
            "at the beginning" if position == 0 else "at the end" if position == len(text) - 1 else "inside"
        )
        said.append(f"{_named(character)} {where}")
    return said[:3]


def _named(character: str) -> str:
    if character == " ":
        return "a space"
    called = _OWN_NAMES.get(character) or unicodedata.name(character, "control character").lower()
    article = "an" if called[0] in "aeiou" else "a"
    return f"{article} {called} (U+{ord(character):04X})"


def shorten(item: Any, depth: int = 4) -> Any:
    """Return a value of JSON, bounded: texts cut, lists and objects short, and no number that JSON lacks."""
    if item is None or isinstance(item, bool):
        return item
    if isinstance(item, int | float):
        return (
            item
            if -_FLOAT8_MAX <= item <= _FLOAT8_MAX
            else cut(str(item) if isinstance(item, float) else "too long")
        )
    if depth and isinstance(item, dict):
        kept = list(item.items())[:_MAX_MEMBERS]
        return {cut(str(key)): shorten(member, depth - 1) for key, member in kept}
    if depth and isinstance(item, Sequence) and not isinstance(item, str | bytes | bytearray):
        members = [shorten(member, depth - 1) for member in item[:_MAX_MEMBERS]]
        return [*members, "…"] if len(item) > _MAX_MEMBERS else members
    # PostgreSQL's JSON takes no NUL character.
    return cut(str(item).replace("\0", "\N{SYMBOL FOR NULL}"))
