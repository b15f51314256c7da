"""``python -m tests.bench [quality] [engines] [http] [laptop]``: everything is started in a temporary folder and ended."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stack import database_roles, postgres
from tests.bench import engines, http, laptop, quality
from tests.bench.table import title
from tests.services import mlflow_server

PARTS: dict[str, str] = {
    "quality": "trained on January to September, stopped on October, held out November and December",
    "engines": "one row, dict to float, one thread",
    "http": "one row a request, 16 connections",
    "laptop": "38 features of 50,000 flights out of 336,776, each command alone",
}


def _say(started: float) -> Callable[[str], None]:
    return lambda text: print(f"[{time.monotonic() - started:6.1f} s] {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Run the parts that were asked for; all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    wanted = parser.parse_args().parts or list(PARTS)
    say = _say(time.monotonic())
    with (
        tempfile.TemporaryDirectory(prefix="hotclub-bench-") as name,
        postgres.temporary_server(Path(name)) as admin,
        mlflow_server(Path(name) / "mlflow") as mlflow_url,
    ):
        folder = Path(name)
        passwords = {
            role: secrets.token_hex(8)
            for role in (*database_roles.LOGIN_ROLES, *database_roles.DATABASE_ROLES)
        }
        database_roles.provision(admin, passwords)
        urls = {
            role: database_roles.role_url(admin, role, passwords[role]) for role in database_roles.LOGIN_ROLES
        }
        # Every part scores the model that is fitted here, on real flights.
        bench = quality.Bench(folder, urls, mlflow_url, say)
        bench.load()
        if "laptop" in wanted:
            print(title(PARTS["laptop"]), laptop.report(bench), sep="\n")
        if wanted == ["laptop"]:
            return 0
        bench.train(everything="quality" in wanted)
        if "quality" in wanted:
            print(title(PARTS["quality"]), bench.report(), sep="\n")
        if "engines" in wanted:
            print(title(PARTS["engines"]), engines.report(bench.package, bench.rows()), sep="\n")
        if "http" in wanted:
            print(
                title(PARTS["http"]),
                http.report(folder, mlflow_url, bench.package, bench.rows(), say),
                sep="\n",
            )
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main())
