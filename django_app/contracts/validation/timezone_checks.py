"""Whether a declared timezone is one by name that every machine knows alike."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from django_app.contracts.validation.shown_values import shown
from hotclub.errors import ContractError

#: In the folder of the database, and no zones: the machine's own, and "nobody has set it".
_NO_ZONES: Final = frozenset({"localtime", "Factory"})


@cache
def _timezones() -> frozenset[str]:
    """Return the names of the IANA database; finding them reads its whole folder."""
    return frozenset(available_timezones()) - _NO_ZONES


def check_timezone(zone: Any) -> None:
    """Check the name of a timezone.

    Raises:
        ContractError: there is none of that name.
    """
    example = "a zone of the IANA database by its name, such as 'Europe/Paris'"
    if isinstance(zone, ZoneInfo):
        raise ContractError(f"{shown(zone)} must be {example}: write {zone.key!r}")
    known = _timezones()
    if isinstance(zone, str) and zone in known:
        return
    near = get_close_matches(zone, known, n=1) if isinstance(zone, str) else []
    raise ContractError(f"{shown(zone)} must be {example}{f'; did you mean {near[0]!r}?' if near else ''}")
