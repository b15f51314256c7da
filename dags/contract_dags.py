"""From contract files to DAGs: what every kind has in common.

A broken contract file must break its own DAGs and no others, and somebody must see it. Airflow marks
all DAGs of a file stale when the file has an import error, so the files that build DAGs leave broken
contracts out, and `broken_contracts`, a file without DAGs, raises the import error that names them.
"""

from __future__ import annotations

import datetime as dt
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from airflow.sdk import DAG, Asset

from hotclub import contract_files, names
from hotclub.contract import Contract, ModelContract, SourceContract

#: Before the oldest data that anyone replays: backfills reach back to it, catch-up is off.
START_AT: Final = dt.datetime(2010, 1, 1, tzinfo=dt.UTC)

#: Half a minute of retries outlives the restart of one service; a longer outage is for a person, or,
#: for deliveries, for Django's sweep, which starts a new run.
RETRIES: Final[Mapping[str, Any]] = {
    "retries": 4,
    "retry_delay": dt.timedelta(seconds=5),
    "retry_exponential_backoff": True,
    "max_retry_delay": dt.timedelta(seconds=60),
}


class Tag(StrEnum):
    """The tags that a DAG may have; a test refuses others."""

    INGEST = "ingest"
    TRAIN = "train"
    SCORE = "score"
    REPLAY = "replay"
    SOURCE = "source"
    MODEL = "model"


class Owner(StrEnum):
    """Who looks after a DAG's failures."""

    DATA = "data-owners"
    ML = "ml-engineers"


def sources() -> Iterator[SourceContract]:
    """Return the readable sources' contracts."""
    return (
        c
        for c in contract_files.read_readable(contract_files.folders()).contracts
        if isinstance(c, SourceContract)
    )


def models() -> Iterator[ModelContract]:
    """Return the readable models' contracts."""
    return (
        c
        for c in contract_files.read_readable(contract_files.folders()).contracts
        if isinstance(c, ModelContract)
    )


def asset(source: str) -> Asset:
    """Return the asset that a loaded delivery of a source adds a partition to."""
    return Asset(name=source, uri=names.asset_uri(source))


def run_key(run_id: str) -> str:
    """Return a DAG run id as a folder's name, unchanged by what training does to keys."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", run_id)


def snapshots() -> str:
    """Return the folder of training's snapshots, as the task's environment names it."""
    return os.environ["HOTCLUB_SNAPSHOTS"]


#: What templates of our DAGs may call, when a task runs.
MACROS: Final[Mapping[str, Callable[..., str]]] = {
    "run_key": run_key,
    "snapshots": snapshots,
}


def make_dag(
    dag_id: str, contract: Contract, runbook: Callable[..., DAG], owner: Owner, tags: set[Tag], **options: Any
) -> DAG:
    """Return an empty DAG with what the policy asks of each: runbook, owner, tags, retries.

    Args:
        dag_id: from `hotclub.names`.
        contract: what it is built from; its documentation comes first in the DAG's.
        runbook: the function that builds this kind; its docstring is what a person reads on failure.
        owner: who looks after it.
        tags: of the closed set.
        options: further arguments of the DAG, its schedule above all.
    """
    about = f"{contract.policy.doc.strip()}\n\n" if contract.policy.doc.strip() else ""
    built_from = f"Contract `{contract.name}` version {contract.version} of the app `{contract.app}`."
    return DAG(
        dag_id=dag_id,
        description=(contract.policy.doc.strip() or built_from).splitlines()[0],
        doc_md=f"{about}{built_from}\n\n{inspect.getdoc(runbook)}",
        start_date=START_AT,
        catchup=False,
        tags=sorted(tags),
        default_args={"owner": owner.value, **RETRIES},
        user_defined_macros=dict(MACROS),
        **options,
    )
