"""One home for every name that two parts have to agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# PostgreSQL. OWNER and VIEWS cannot log in; MIGRATOR acts as them during `migrate` and only then.
ROLE_OWNER: Final = "hotclub_owner"
ROLE_VIEWS: Final = "hotclub_views"
ROLE_MIGRATOR: Final = "hotclub_migrator"
ROLE_APP: Final = "hotclub_app"
ROLE_READER: Final = "hotclub_reader"
ROLE_STAGER: Final = "hotclub_stager"
ROLE_SERVING: Final = "hotclub_serving"
SCHEMA_TABLES: Final = "public"
SCHEMA_STAGING: Final = "staging"
#: Feature views live apart from tables, so that one grant on a schema says who may read features.
SCHEMA_FEATURES: Final = "features"

# The fixed columns of a feature view; feature names must differ from them.
COLUMN_ENTITY: Final = "entity"
COLUMN_TENANT: Final = "tenant"
COLUMN_EVENT_TIME: Final = "event_time"
COLUMN_LABEL: Final = "label"
#: There where rows without a time are split by something else than their entity.
COLUMN_SPLIT: Final = "split_by"
KEY_COLUMNS: Final = (COLUMN_ENTITY, COLUMN_TENANT, COLUMN_EVENT_TIME)
RESERVED_COLUMNS: Final = (*KEY_COLUMNS, COLUMN_LABEL, COLUMN_SPLIT)
#: Added by staging in front of a delivered file's own columns: the line of the file on which the row begins.
COLUMN_ROW: Final = "_row"

# The model registry.
ALIAS_CHAMPION: Final = "champion"
ALIAS_CHALLENGER: Final = "challenger"
TAG_KIND: Final = "hotclub.kind"  # on the registered model, always "model": what serving looks for
TAG_DIGEST: Final = "hotclub.package_digest"
TAG_FINGERPRINT: Final = "hotclub.contract_fingerprint"
TAG_CONTRACT_VERSION: Final = "hotclub.contract_version"
TAG_GATES: Final = "hotclub.gates"  # one of the three below
TAG_FAILED_GATES: Final = "hotclub.failed_gates"  # which, with value and limit, in words
TAG_OVERRIDE: Final = "hotclub.gates_override"  # a reason, written by a person
GATES_PASSED: Final = "passed"
GATES_FAILED: Final = "failed"
GATES_NONE: Final = "none declared"
#: Where the package lies inside the MLflow model's folder.
PACKAGE_FOLDER: Final = "package"

# Celery queues: short work that someone waits for, long work, and housekeeping.
QUEUE_REQUESTS: Final = "requests"
QUEUE_BATCHES: Final = "batches"
QUEUE_INGEST: Final = "ingest"
QUEUE_SWEEPS: Final = "sweeps"
QUEUES: Final = (QUEUE_REQUESTS, QUEUE_BATCHES, QUEUE_INGEST, QUEUE_SWEEPS)

#: Begins a line on standard error that `make up` repeats; indented lines that follow belong to it.
WARNING: Final = "WARNING: "

# Types of problems (RFC 9457) that callers act on.
PROBLEM_NO_CHAMPION: Final = "urn:hotclub:problem:no-champion"

# Airflow.
CONNECTION_DJANGO: Final = "hotclub_django"

# The environment. Secrets by variable; a file of that name in the folder of VARIABLE_COMMAND_SECRETS stands in for one.
VARIABLE_STACK: Final = "HOTCLUB_STACK"  # marks every process of a stack with the id of its home
VARIABLE_CONTRACTS: Final = "HOTCLUB_CONTRACTS"
VARIABLE_COMMAND_SECRETS: Final = "HOTCLUB_COMMAND_SECRETS"
VARIABLE_STAGER_URL: Final = "HOTCLUB_STAGER_DATABASE_URL"
VARIABLE_READER_URL: Final = "HOTCLUB_READER_DATABASE_URL"
VARIABLE_RESULT_FILE: Final = "HOTCLUB_RESULT_FILE"  # where a command writes its result for its caller
VARIABLE_PARENT_PIPE: Final = "HOTCLUB_PARENT_PIPE"  # stdin is a pipe of the caller, who ends the command
VARIABLE_CHECKS_SOCKET: Final = "HOTCLUB_CHECKS_SOCKET"  # of `data_checks serve`, in whose forks checks run
_TRAINING: Final = ("HOTCLUB_SNAPSHOTS", "HOTCLUB_CACHE", "HOTCLUB_MLFLOW_URL", "HOTCLUB_TRAINING_THREADS")
#: Module and command of each process that Airflow's tasks start → the variables that it is given, in addition to
#: VARIABLE_CONTRACTS and what every process has (PATH and the like). A command that is not here gets no others.
COMMAND_VARIABLES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("data_checks", "stage"): (VARIABLE_STAGER_URL, VARIABLE_CHECKS_SOCKET),
    ("data_checks", "check"): (VARIABLE_STAGER_URL, VARIABLE_CHECKS_SOCKET),
    ("data_checks", "unstage"): (VARIABLE_STAGER_URL, VARIABLE_CHECKS_SOCKET),
    ("data_checks", "snapshot"): (VARIABLE_CHECKS_SOCKET,),
    ("training", "snapshot"): (*_TRAINING, VARIABLE_READER_URL),
    ("training", "fit"): _TRAINING,
    # The champion's rows are read from its own view.
    ("training", "evaluate"): (*_TRAINING, VARIABLE_READER_URL),
    ("training", "register"): _TRAINING,
}


def view_name(model: str, version: int) -> str:
    """Return the feature view of a model's contract version, without its schema."""
    return f"ml_{model}_v{version}"


def qualified_view_name(model: str, version: int) -> str:
    """Return the feature view of a model's contract version, schema included."""
    return f"{SCHEMA_FEATURES}.{view_name(model, version)}"


def staging_table(delivery_id: str) -> str:
    """Return the staging table of a delivery (a UUID), without its schema."""
    return f"delivery_{delivery_id.replace('-', '')}"


def ingest_dag_id(source: str) -> str:
    """Return the id of the DAG that checks and loads a source's deliveries."""
    return f"{source}.ingest"


def train_dag_id(model: str) -> str:
    """Return the id of the DAG that trains and registers a model."""
    return f"{model}.train"


def score_dag_id(model: str) -> str:
    """Return the id of the DAG that scores a partition as it is loaded."""
    return f"{model}.score"


def replay_dag_id(model: str) -> str:
    """Return the id of the DAG that scores past days, by Airflow's own backfill."""
    return f"{model}.replay"


def ingest_run_id(delivery_id: str, attempt: int) -> str:
    """Return the DAG run id of a delivery's attempt; the same attempt never starts two runs."""
    return f"delivery-{delivery_id}-{attempt}"


def is_followed_run(run_id: str, delivery_id: str, own_run_id: str) -> bool:
    """Return whether a DAG run is an attempt at a delivery that another attempt has followed. A run by hand is none.

    Args:
        run_id: the run's.
        delivery_id: the delivery's (a UUID).
        own_run_id: of the delivery's present attempt, empty where none is started yet.
    """
    attempts = ingest_run_id(delivery_id, 0).removesuffix("0")
    return run_id.startswith(attempts) and run_id != own_run_id


def asset_uri(source: str) -> str:
    """Return the URI of the asset that a loaded delivery of this source adds a partition to."""
    return f"hotclub://source/{source}"
