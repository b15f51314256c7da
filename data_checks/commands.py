"""The command line: ``python -m data_checks stage|check|unstage|snapshot|serve|signatures``.

The last line of stdout is one JSON object. Exit codes: 0 done (for `check` with any report
says: Django decides), 2 a wrong argument, setting or declared check, 3 `snapshot` found a critical
failure. A command imports what it needs: Great Expectations takes seconds, which staging need not pay.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from data_checks.errors import EXIT_REFUSED, EXIT_USAGE, CheckError, StagingError
from data_checks.settings import Settings
from hotclub import command_result, contract_files, days, names, severities
from hotclub.errors import HotclubError


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m data_checks", description="Checks of deliveries and snapshots."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    stage = commands.add_parser("stage", help="copy a delivered CSV into its staging table")
    check = commands.add_parser("check", help="check a staged delivery, write the report")
    unstage = commands.add_parser("unstage", help="drop a delivery's staging table")
    snapshot = commands.add_parser("snapshot", help="check a training snapshot, write the report")
    for command in (stage, check):
        command.add_argument("--source", required=True, help="the source's contract name")
    for command in (stage, check, unstage):
        command.add_argument("--delivery", required=True, type=_uuid, help="the delivery's UUID")
    stage.add_argument("--file", required=True, type=_file, help="the CSV file")
    check.add_argument("--tenant", help="the tenant that delivers; left out, it is not checked")
    check.add_argument("--day", type=days.day_argument, help="the day that is delivered, YYYY-MM-DD")
    snapshot.add_argument("--model", required=True, help="the model's contract name")
    snapshot.add_argument("--parquet", required=True, type=_file, help="the snapshot")
    for command in (check, snapshot):
        command.add_argument("--report", required=True, type=Path, help="where the JSON report is written")
    signatures = commands.add_parser(
        "signatures", help="write what the installed expectations take, which declarations are checked by"
    )
    signatures.add_argument(
        "--check", action="store_true", help="write nothing; exit with 2 where the file differs"
    )
    serve = commands.add_parser(
        "serve",
        help=f"keep running with Great Expectations imported; commands that find the socket in {names.VARIABLE_CHECKS_SOCKET}"
        " run in a fork of this process",
    )
    serve.add_argument("--socket", required=True, type=Path, help="the unix socket to listen on")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    commands = {
        "stage": _stage,
        "check": _check,
        "unstage": _unstage,
        "snapshot": _snapshot,
        "serve": _serve,
        "signatures": _signatures,
    }
    try:
        return commands[arguments.command](arguments, Settings())
    except ValidationError as error:
        listed = "; ".join(f"HOTCLUB_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        print(f"data_checks: settings: {listed}", file=sys.stderr)
    except HotclubError as error:
        kind = "broken check" if isinstance(error, CheckError) else arguments.command
        print(f"data_checks: {kind}: {error}", file=sys.stderr)
    return EXIT_USAGE


def _stage(arguments: argparse.Namespace, settings: Settings) -> int:
    from data_checks import staging_tables  # noqa: PLC0415  # see the module

    contract = contract_files.find_source(arguments.source, contract_files.folders())
    staged = staging_tables.stage(_stager_url(settings), arguments.delivery, arguments.file, contract)
    command_result.give({"table": staged.table, "rows": staged.rows, "problem": staged.problem})
    return 0


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from data_checks import checks  # noqa: PLC0415  # see the module
    from data_checks.delivery_suite import DeliveryFacts  # noqa: PLC0415  # see the module

    contract = contract_files.find_source(arguments.source, contract_files.folders())
    facts = DeliveryFacts(arguments.tenant, arguments.day)
    report = checks.check_delivery(_stager_url(settings), contract, arguments.delivery, facts, _now)
    report.write(arguments.report)
    command_result.give({**report.summary(), "report": str(arguments.report)})
    return 0


def _unstage(arguments: argparse.Namespace, settings: Settings) -> int:
    from data_checks import staging_tables  # noqa: PLC0415  # see the module

    command_result.give(
        {
            "delivery": arguments.delivery,
            "dropped": staging_tables.unstage(_stager_url(settings), arguments.delivery),
        }
    )
    return 0


def _snapshot(arguments: argparse.Namespace, _settings: Settings) -> int:
    from data_checks import checks  # noqa: PLC0415  # see the module

    contract = contract_files.find_model(arguments.model, contract_files.folders())
    report = checks.check_snapshot(contract, arguments.parquet, _now)
    report.write(arguments.report)
    failed = report.failed(severities.CRITICAL)
    for result in failed:
        print(f"data_checks: {arguments.model}: {result.message}", file=sys.stderr)
    command_result.give({**report.summary(), "report": str(arguments.report)})
    return EXIT_REFUSED if failed else 0


def _serve(arguments: argparse.Namespace, _settings: Settings) -> int:
    from data_checks import checks, server  # noqa: F401, PLC0415  # imported for those who are forked

    server.serve(arguments.socket, main)
    return 0


def _signatures(arguments: argparse.Namespace, _settings: Settings) -> int:
    from data_checks import signatures  # noqa: PLC0415  # see the module

    if arguments.check:
        if not signatures.are_written():
            print(
                "data_checks: the published signatures are not those of the installed Great Expectations; "
                "run python -m data_checks signatures, and commit what it writes",
                file=sys.stderr,
            )
            return EXIT_USAGE
        command_result.give({"written": True})
        return 0
    command_result.give({"wrote": str(signatures.write())})
    return 0


def _uuid(value: str) -> str:
    return str(uuid.UUID(value))


def _file(value: str) -> Path:
    path = Path(value)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{value} is no file")
    return path


def _stager_url(settings: Settings) -> str:
    if settings.stager_database_url is None or not settings.stager_database_url.get_secret_value():
        raise StagingError(
            "HOTCLUB_STAGER_DATABASE_URL is not set; it is PostgreSQL's URL for role hotclub_stager"
        )
    return settings.stager_database_url.get_secret_value()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
