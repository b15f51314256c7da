"""The environment of what tasks start: of a worker's own, which has Airflow's secrets, as much as the command reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hotclub import names

#: What any process has, and nobody's secret.
_PLAIN: Final = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
        "PYTHONPATH", "PYTHONHOME", "PYTHONWARNINGS", "DO_NOT_TRACK", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE", "HOTCLUB_HOME", names.VARIABLE_STACK, names.VARIABLE_CONTRACTS,
    }
)  # fmt: skip
#: Locale, and threads of numeric libraries.
_PLAIN_PREFIXES: Final = ("LC_", "OMP_")


def of_command(module: str, command: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of ``python -m <module> <command>``.

    Args:
        module: ``data_checks`` or ``training``.
        command: its sub-command.
        environ: the worker's. A variable that is not in it is read from the file of its name in the folder
            that HOTCLUB_COMMAND_SECRETS names, so that a worker need not have it in its environment.
    """
    kept = {
        name: value for name, value in environ.items() if name in _PLAIN or name.startswith(_PLAIN_PREFIXES)
    }
    for name in names.COMMAND_VARIABLES.get((module, command), ()):
        value = environ.get(name) or _from_file(name, environ)
        if value:
            kept[name] = value
    return kept


def _from_file(name: str, environ: Mapping[str, str]) -> str:
    folder = environ.get(names.VARIABLE_COMMAND_SECRETS)
    path = Path(folder) / name if folder else None
    return path.read_text(encoding="utf-8").strip() if path is not None and path.is_file() else ""
