"""``python -m stack.migrations airflow|mlflow``: migrate a service's own database.

``airflow db migrate`` takes 14 s even when there is nothing to do. So what was done is recorded in
HOME/run, and done again when the package or the database's revision differs from the record.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg


def revision(url: str) -> str | None:
    """Return the revision that Alembic recorded in the database at ``url``; None in an empty one."""
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://", 1)) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
        if found is None or not found[0]:
            return None
        row = connection.execute("SELECT string_agg(version_num, ',') FROM alembic_version").fetchone()
        return None if row is None else row[0]


def migrate(package: str, url: str, command: list[str], record: Path, *, create: bool) -> bool:
    """Run ``command`` unless the record says that nothing changed since its last success.

    Args:
        package: the distribution whose version decides.
        url: the service's database.
        command: what migrates.
        record: the file of the last success.
        create: whether ``command`` also fills an empty database; if not, the service does that itself.

    Returns:
        Whether the command ran.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    before = revision(url)
    kept: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    same_package = kept.get("version") == version(package)
    # A service that fills an empty database by itself does so after us: its revision is not on record yet.
    if same_package and (kept.get("revision") == before or not create):
        return False
    needed = create or before is not None
    if needed:
        subprocess.run(command, check=True)
    record.write_text(json.dumps({"version": version(package), "revision": revision(url)}))
    return needed


def main(service: str) -> None:
    """Migrate the database of ``service`` as its environment names it."""
    tools = Path(sys.executable).parent
    record = Path(os.environ["HOTCLUB_HOME"]) / "run" / f"migrated-{service}.json"
    if service == "airflow":
        url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        migrate("apache-airflow", url, [str(tools / "airflow"), "db", "migrate"], record, create=True)
    else:
        url = os.environ["MLFLOW_BACKEND_STORE_URI"]
        # In place of `mlflow db upgrade URL`, which would show the password to `ps`.
        code = "import os, mlflow.store.db.utils as u; u._upgrade_db(u.create_sqlalchemy_engine(os.environ['MLFLOW_BACKEND_STORE_URI']))"
        migrate("mlflow", url, [sys.executable, "-c", code], record, create=False)


if __name__ == "__main__":
    main(sys.argv[1])
