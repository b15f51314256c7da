"""A file's header beside its contract: the same names, letter for letter, in any order."""

from __future__ import annotations

from collections.abc import Sequence

from data_checks import words

#: How many names a report explains one by one.
_EXPLAINED = 10
#: How many names are looked at for what they were meant to be.
_COMPARED = 100
_MUST = "the columns must be the contract's"


def faults(header: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return what is wrong with a header, a sentence each; nothing when its names are the wanted ones.

    A name that differs only in case, accents or what cannot be seen is shown beside the one it should be, with the
    difference. It is not taken for it: what a file's columns are called is agreed upon, not guessed.
    """
    missing = [name for name in wanted if name not in set(header)]
    unknown = [name for name in header if name not in set(wanted)]
    by_fold = {words.fold(name): name for name in reversed(missing)}
    told = []
    for name in unknown[:_COMPARED]:
        meant = by_fold.pop(words.fold(name), None) or next(
            (m for m in missing if words.look_alike(name, m)), None
        )
        if meant is None or meant not in missing:
            continue
        unknown.remove(name)
        missing.remove(meant)
        told.append(
            f"{_MUST}: {words.quoted(name)} must be {words.quoted(meant)}: {words.difference(name, meant)}"
        )
    if missing:
        told.append(f"{_MUST}; missing: {words.listed(missing, words.name)}")
    if unknown:
        told.append(f"{_MUST}; unknown: {words.listed(unknown, _shown)}")
    more = f"; {len(told) - _EXPLAINED:,} more names differ"
    return told if len(told) <= _EXPLAINED else [*told[: _EXPLAINED - 1], told[_EXPLAINED - 1] + more]


def _shown(name: str) -> str:
    said = words.invisible(name)
    return words.name(name) + (f" ({'; '.join(said)})" if said else "")
