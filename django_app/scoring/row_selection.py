"""Which rows of a model a batch is about: an interval of event times, all, or those of given entities."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django_app.ingest.loaded_keys import LoadedRows
from django_app.scoring.models import Batch
from hotclub import days
from hotclub.contract import ModelContract
from hotclub.entity_values import entity_keys, require_different
from hotclub.errors import InvalidInputError

#: The largest number of entities that a batch may name.
MAX_ENTITIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class RowSelection:
    """The rows of a batch.

    Attributes:
        rows_of: how they are selected.
        start, end: event times from `start` up to and without `end`; for an interval only.
        day: where the interval is a day of the model's own zone, or where the rows are those that were delivered for it.
        entities: keys in the form in which PostgreSQL prints them; where they are given.
        delivered: what is loaded of the day; where the rows are those that were delivered.
    """

    rows_of: Batch.RowsOf
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    day: dt.date | None = None
    entities: tuple[str, ...] = ()
    delivered: LoadedRows | None = None

    @classmethod
    def of_day(cls, day: dt.date, contract: ModelContract) -> RowSelection:
        """Return a calendar day of the model's own zone.

        Raises:
            InvalidInputError: the model's rows have no time.
        """
        _require_time(contract, "day")
        return cls(Batch.RowsOf.INTERVAL, *days.day_interval(day, contract.schema.timezone), day)

    @classmethod
    def between(cls, start: dt.datetime, end: dt.datetime, contract: ModelContract) -> RowSelection:
        """Return the event times [start, end).

        Raises:
            InvalidInputError: it is empty, or the model's rows have no time.
        """
        _require_time(contract, "start")
        if end <= start:
            raise InvalidInputError.of("end", "must be later than start")
        return cls(Batch.RowsOf.INTERVAL, start, end)

    @classmethod
    def all_rows(cls) -> RowSelection:
        """Return every row of the model, or of the batch's tenant."""
        return cls(Batch.RowsOf.ALL)

    @classmethod
    def of_entities(cls, entities: Sequence[Any], contract: ModelContract) -> RowSelection:
        """Return the rows of given entities, as they came from outside.

        Raises:
            InvalidInputError: with each that is no key of the entity's type, or that is there twice.
        """
        keys = entity_keys(contract, entities)
        require_different(keys)
        return cls(Batch.RowsOf.ENTITIES, entities=tuple(keys))

    @classmethod
    def of_delivered(cls, day: dt.date, rows: LoadedRows) -> RowSelection:
        """Return the rows that were delivered for a day: those of a model whose rows have no time of their own."""
        return cls(Batch.RowsOf.ENTITIES, day=day, delivered=rows)

    @property
    def entities_digest(self) -> str:
        """The sha256 of the entities in any order, empty where none are given; delivered rows go by their loads."""
        if self.delivered is not None:
            parts = [f"{delivery} {number}" for delivery, number in self.delivered.loads]
        elif self.entities:
            # Each with its length: a text key may hold any separator.
            parts = [f"{len(key)}:{key}" for key in sorted(self.entities)]
        else:
            return ""
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def is_of(self, batch: Batch) -> bool:
        """Return whether a batch is about these rows."""
        theirs = (batch.rows_of, batch.start, batch.end, batch.entities_digest)
        return theirs == (self.rows_of, self.start, self.end, self.entities_digest)


def _require_time(contract: ModelContract, field: str) -> None:
    if contract.schema.event_time is None:
        raise InvalidInputError.of(
            field,
            f"rows of {contract.name} have no time in contract version {contract.version}, which the champion has, so no day or "
            "interval has any; give all or entities instead, or a partition of its source",
        )
