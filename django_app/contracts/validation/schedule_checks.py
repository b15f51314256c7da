"""Whether a model's schedule is one that Airflow takes, by the library that Airflow reads cron expressions with."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from croniter import CroniterBadDateError, CroniterError, croniter

from django_app.contracts.validation.shown_values import shown
from hotclub.errors import ContractError

#: Airflow's own names; others, such as @midnight, are croniter's alone.
_PRESETS: Final = ("@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")
_EXAMPLE: Final = "such as '0 3 * * 1' (Mondays at three)"
#: Any moment will do: whether an expression ever comes due does not depend on it.
_START: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def check_schedule(schedule: Any) -> None:
    """Check a cron expression of five fields, or a preset of Airflow; None is training by hand.

    Raises:
        ContractError: Airflow would not take it, or it never comes due.
    """
    if schedule is None or (isinstance(schedule, str) and schedule in _PRESETS):
        return
    if not isinstance(schedule, str):
        raise ContractError(
            f"must be a cron expression as a text, {_EXAMPLE}, or None, not {shown(schedule)}"
        )
    if schedule.strip().startswith("@"):
        raise ContractError(
            f"{shown(schedule)} is none of {', '.join(_PRESETS)}; write one of them or a cron expression, {_EXAMPLE}"
        )
    fields = len(schedule.split())
    if fields != 5:
        raise ContractError(
            f"{shown(schedule)} has {fields} fields; a cron expression has five: minute, hour, day of the month, month, "
            f"day of the week, {_EXAMPLE}"
        )
    try:
        croniter(schedule, _START).get_next(dt.datetime)
    except CroniterBadDateError as error:
        raise ContractError(f"{shown(schedule)} never comes due; write one that does, {_EXAMPLE}") from error
    except (CroniterError, ValueError, KeyError) as error:
        raise ContractError(
            f"{shown(schedule)} is no cron expression ({error}); write one, {_EXAMPLE}"
        ) from error
