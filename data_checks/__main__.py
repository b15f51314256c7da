"""``python -m data_checks``: in a fork of the process that has everything imported, or by itself. See `server`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from data_checks import server
from hotclub import names


def run(arguments: list[str]) -> int:
    """Run a command where it starts quickest; return its exit code."""
    socket = os.environ.get(names.VARIABLE_CHECKS_SOCKET)
    if socket and arguments[:1] != ["serve"]:
        code = server.call(Path(socket), arguments)
        if code is not None:
            return code
    from data_checks.commands import main  # noqa: PLC0415  # a caller of the other process needs none of it

    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
