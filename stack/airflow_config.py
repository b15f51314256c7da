"""Airflow's configuration, as environment variables."""

from __future__ import annotations

from typing import Final

from stack import secrets
from stack.home import Home
from stack.ports import HOST, Ports
from stack.secrets import Secrets
from stack.settings import ROOT

#: The simple auth manager's roles. A data owner reads runs, of every tenant: Airflow knows no tenants. An
#: engineer starts, clears and configures. Django starts runs of `ingest` and reads their states.
_USERS = {
    secrets.ADMIN_USERNAME: "admin",
    secrets.ENGINEER_USERNAME: "op",
    secrets.OWNER_USERNAME: "viewer",
    secrets.AIRFLOW_SERVICE_USERNAME: "user",
}
#: Which component needs which key. ``fernet_key`` is in every one that reads connections, variables or
#: triggers from the database; ``jwt_secret`` signs the tokens of tasks; ``secret_key`` those of pages.
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "airflow-migrate": ("fernet_key",),
    "airflow-api": ("fernet_key", "jwt_secret", "secret_key"),
    "airflow-scheduler": ("fernet_key", "jwt_secret"),
    "airflow-dag-processor": ("fernet_key",),
    "airflow-triggerer": ("fernet_key",),
}
_SECTIONS: dict[str, dict[str, str]] = {
    "core": {
        "executor": "LocalExecutor",
        "dags_folder": str(ROOT / "dags"),
        "load_examples": "False",
        "dags_are_paused_at_creation": "False",
        # The executor starts a process of 46 MB for each, at once.
        "parallelism": "4",
        "hostname_callable": "socket.gethostname",
        "min_serialized_dag_update_interval": "5",
        "simple_auth_manager_users": ",".join(f"{name}:{role}" for name, role in _USERS.items()),
    },
    "api": {"host": HOST, "workers": "1", "instance_name": "Hotclub"},
    # Tasks were killed at 100 minutes when their token was not refreshed in time.
    "execution_api": {"jwt_expiration_time": "86400"},
    "scheduler": {
        "scheduler_idle_sleep_time": "0.5",
        "catchup_by_default": "False",
        # A task whose process was killed is tried again within a minute or so. Longer than a restart of
        # the api-server, to which the heartbeats go.
        "task_instance_heartbeat_timeout": "60",
        "task_instance_heartbeat_timeout_detection_interval": "5",
        "orphaned_tasks_check_interval": "30",
        "task_queued_timeout": "120",
        "task_queued_timeout_check_interval": "30",
    },
    # Tasks outlive a restart of the api-server: 12 heartbeats, 5 s apart, may fail, and calls are repeated.
    "workers": {
        "max_failed_heartbeats": "12",
        "execution_api_retries": "9",
        "execution_api_retry_wait_max": "10",
    },
    "dag_processor": {
        "refresh_interval": "10",
        "min_file_process_interval": "15",
        "parsing_processes": "1",
    },
    "logging": {"colored_console_log": "False"},
    "usage_data_collection": {"enabled": "False"},
}


def environment(
    component: str, home: Home, ports: Ports, values: Secrets, database_url: str
) -> dict[str, str]:
    """Return the ``AIRFLOW__SECTION__KEY`` variables of a component.

    Args:
        component: one of `KEYS`.
        home: where task logs go.
        ports: the api-server's.
        values: the keys.
        database_url: the metadata database, for SQLAlchemy.
    """
    keys = {
        "fernet_key": ("AIRFLOW__CORE__FERNET_KEY", values.airflow_fernet_key),
        "jwt_secret": ("AIRFLOW__API_AUTH__JWT_SECRET", values.airflow_jwt_secret),
        "secret_key": ("AIRFLOW__API__SECRET_KEY", values.airflow_api_secret_key),
    }
    url = ports.url("airflow")
    made = {
        "core": {
            # Without it tasks look for the api-server on port 8080.
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_passwords_file": str(secrets.airflow_users_file(home)),
        },
        "api": {"base_url": url, "port": str(ports.airflow)},
        "database": {"sql_alchemy_conn": database_url},
        "logging": {
            "base_log_folder": str(home.airflow / "logs"),
            "dag_processor_child_process_log_directory": str(home.airflow / "logs" / "dag_processor"),
        },
    }
    variables = {"AIRFLOW_HOME": str(home.airflow), "SCARF_ANALYTICS": "false"}
    variables |= dict(keys[name] for name in KEYS[component])
    for sections in (_SECTIONS, made):
        for section, options in sections.items():
            for key, value in options.items():
                variables[f"AIRFLOW__{section.upper()}__{key.upper()}"] = value
    return variables
