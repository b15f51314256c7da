"""The champion on the rows that a candidate is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from hotclub import names
from hotclub.contract import ModelContract
from hotclub.errors import HotclubError, RegistryError, RegistryNotFoundError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.package_cache import PackageCache
from hotclub.predictor import Predictor
from training.settings import TrainingSettings
from training.snapshot import Interval, read_view


@dataclass(frozen=True)
class ChampionScores:
    """The champion's scores of the same rows; `scores` is None when it could not score them, with the reason.

    Attributes:
        version: None when there is no champion.
        caution: why its metrics may be too good, though it was scored.
    """

    version: str | None
    scores: npt.NDArray[np.float64] | None
    reason: str = ""
    caution: str = ""

    @property
    def failure(self) -> str | None:
        """Why a champion that is there could not be scored; None when it was, or when there is none."""
        if self.version is None or self.scores is not None:
            return None
        return f"champion version {self.version} could not be scored: {self.reason}"


def score_with_champion(
    settings: TrainingSettings, contract: ModelContract, evaluation: pa.Table
) -> ChampionScores:
    """Score the evaluation rows with the champion, under the champion's own contract.

    An older contract has other features: they are read from its own view, for the same entities.

    Raises:
        RegistryError: MLflow does not answer.
        psycopg.OperationalError: nor does the database. Both pass, and the step may run again; a champion that
            would never score is a reason instead.
    """
    registry = MlflowRegistry(settings.mlflow_url)
    try:
        version = registry.version_by_alias(contract.name, names.ALIAS_CHAMPION)
    except RegistryNotFoundError:
        registry.close()
        return ChampionScores(None, None, "there is no champion yet")
    try:
        predictor = Predictor.load(
            PackageCache(settings.cache, registry).fetch(version), threads=settings.training_threads
        )
        rows = _rows(settings, contract, predictor.contract, evaluation)
        if isinstance(rows, str):
            return ChampionScores(version.version, None, rows)
        caution = _caution(contract, predictor.contract)
        return ChampionScores(version.version, predictor.predict(rows).scores, caution=caution)
    except RegistryNotFoundError as error:  # MLflow answers, and has lost the package
        return ChampionScores(version.version, None, _first_line(error))
    except (RegistryError, psycopg.OperationalError):
        raise
    except (HotclubError, psycopg.Error) as error:
        return ChampionScores(version.version, None, _first_line(error))
    finally:
        registry.close()


def _caution(candidate: ModelContract, champion: ModelContract) -> str:
    """Return that the champion's rows were cut in another way: some of these may be among those that it was fitted on."""
    ours, its = (
        "by time"
        if contract.schema.event_time is not None
        else f"by a hash of {contract.schema.split_by or 'the key'}"
        for contract in (candidate, champion)
    )
    if ours == its:
        return ""
    return (
        f"the champion's own rows were split {its}, these are split {ours}: it may have been fitted on some of the evaluation "
        "rows, and its metrics here may be too good"
    )


def _rows(
    settings: TrainingSettings, candidate: ModelContract, champion: ModelContract, evaluation: pa.Table
) -> pa.Table | str:
    """Return the evaluation rows with the champion's own features, or why there are none."""
    if champion.fingerprint == candidate.fingerprint:
        return evaluation
    if (champion.schema.task, champion.schema.classes) != (candidate.schema.task, candidate.schema.classes):
        return "it predicts something else: its task or its classes differ"
    # Without times on both sides there is nothing to narrow the view by: its rows are found by their keys.
    timed = None not in (candidate.schema.event_time, champion.schema.event_time)
    interval = Interval(start=pc.min(evaluation[names.COLUMN_EVENT_TIME]).as_py() if timed else None)
    table = read_view(settings.reader_database_url.get_secret_value(), champion, interval, labelled=False)
    rows = align(table, evaluation[names.COLUMN_ENTITY])
    if rows is None:
        return "its view lacks some of the rows"
    # Where its own label is known it must be the same: minutes are not hours, and late by 15 is not late by 30.
    other = pc.sum(pc.not_equal(rows[names.COLUMN_LABEL], evaluation[names.COLUMN_LABEL])).as_py() or 0
    if other:
        return f"it predicts something else: its label differs on {other:,} of {evaluation.num_rows:,} rows"
    return rows


def align(table: pa.Table, entities: pa.ChunkedArray) -> pa.Table | None:
    """Return a table's rows in the order of `entities`, or None when one of them is not there."""
    places = pc.index_in(entities, table[names.COLUMN_ENTITY].combine_chunks())
    return None if places.null_count else table.take(places)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
