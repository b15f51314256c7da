"""A file's header compared with its contract: the same names, letter for letter, in any order."""

from __future__ import annotations

from collections.abc import Sequence

from data_checks import message_text

#: How many names a report explains one by one.
_MAX_EXPLAINED = 10
#: How many names are looked at for what they were meant to be.
_MAX_COMPARED = 100
_MUST = "the columns must be the contract's"


def faults(header: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return what is wrong with a header, a sentence each; nothing when its names are the wanted ones.

    A name that differs only in case, accents or what cannot be seen is shown with the one it should be, and the
    difference. It is not taken for it: what a file's columns are called is agreed upon, not guessed.
    """
    missing = [name for name in wanted if name not in set(header)]
    unknown = [name for name in header if name not in set(wanted)]
    by_fold = {message_text.fold(name): name for name in reversed(missing)}
    messages = []
    for name in unknown[:_MAX_COMPARED]:
        meant = by_fold.pop(message_text.fold(name), None) or next(
            (m for m in missing if message_text.look_alike(name, m)), None
        )
        if meant is None or meant not in missing:
            continue
        unknown.remove(name)
        missing.remove(meant)
        messages.append(
            f"{_MUST}: {message_text.quoted(name)} must be {message_text.quoted(meant)}: {message_text.difference(name, meant)}"
        )
    if missing:
        messages.append(f"{_MUST}; missing: {message_text.listed(missing, message_text.name)}")
    if unknown:
        messages.append(f"{_MUST}; unknown: {message_text.listed(unknown, _shown)}")
    more = f"; {len(messages) - _MAX_EXPLAINED:,} more names differ"
    return (
        messages
        if len(messages) <= _MAX_EXPLAINED
        else [*messages[: _MAX_EXPLAINED - 1], messages[_MAX_EXPLAINED - 1] + more]
    )


def _shown(name: str) -> str:
    said = message_text.invisible(name)
    return message_text.name(name) + (f" ({'; '.join(said)})" if said else "")
