"""A process that has imported Great Expectations already: ``python -m data_checks serve``.

The import takes four seconds of a core, and each check of a delivery would pay them. Where the variable
HOTCLUB_CHECKS_SOCKET names the socket of such a process, a command is run in a fork of it instead: with the caller's
arguments, environment, working directory, stdout and stderr, and with its exit code. Nothing is shared between two
commands, and a command whose caller goes is ended. Where no process listens there, commands run by themselves.

A call is one message, a length of four bytes and JSON, with two file descriptors; the answer is one byte, the exit code.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

_LENGTH: Final = struct.Struct("!I")
_MAX_CALL_BYTES: Final = 1 << 20
_BACKLOG: Final = 64
#: A caller that says nothing for so long is none.
_SECONDS: Final = 10.0
_CRASHED: Final = 1

Main = Callable[[Sequence[str]], int]


def serve(path: Path, main: Main) -> None:
    """Listen on a unix socket, which only this user may open, and run each call in a fork. Ends with the process.

    Args:
        path: of the socket; one that a dead process left is replaced.
        main: runs a command and returns its exit code.
    """
    # Nothing waits for the forks: the caller gets the exit code over the socket.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # No fork garbage-collects the objects that exist now, so that their pages stay shared.
    gc.freeze()
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen(_BACKLOG)
        while True:
            connection, _ = listener.accept()
            # One thread and no buffered output, so that a fork is a whole copy and says nothing twice.
            sys.stdout.flush()
            sys.stderr.flush()
            if os.fork() == 0:
                listener.close()
                _answer(connection, main)
            connection.close()


def _answer(connection: socket.socket, main: Main) -> None:
    """Run a call in this fork, which ends with it."""
    code = _CRASHED
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if not _is_ours(connection):
            os._exit(_CRASHED)
        arguments = _take_over(connection)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        code = main(arguments)
    except SystemExit as error:  # argparse leaves this way
        code = error.code if isinstance(error.code, int) else _CRASHED
    except BaseException:  # noqa: BLE001  # the fork must not go on into the server's loop, whatever happens
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            connection.sendall(bytes([code & 0xFF]))
        os._exit(code & 0xFF)


def _is_ours(connection: socket.socket) -> bool:
    """Return whether the caller is this user, or root."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] in (os.geteuid(), 0)


def _take_over(connection: socket.socket) -> list[str]:
    """Become the caller: its output, environment and folder; return its arguments."""
    connection.settimeout(_SECONDS)
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 2)
    (length,) = _LENGTH.unpack(head)
    if length > _MAX_CALL_BYTES or len(descriptors) != 2:
        raise ValueError(f"a call of {length} bytes with {len(descriptors)} descriptors")
    call: dict[str, Any] = json.loads(_receive(connection, length))
    connection.settimeout(None)
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    return list(call["arguments"])


def _receive(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(length - len(parts))
        if not part:
            raise ConnectionError("the caller disconnected before its call was complete")
        parts += part
    return bytes(parts)


def _end_with(connection: socket.socket) -> None:
    """End this process when the caller goes: a task that was killed leaves nothing running."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def call(path: Path, arguments: Sequence[str]) -> int | None:
    """Run a command in a fork of the process that listens on a socket; return its exit code.

    Returns:
        None where no process listens there: the caller runs the command itself. 1, which may be tried again, where the
        fork ended without an exit code.
    """
    message = json.dumps(
        {"arguments": list(arguments), "environment": dict(os.environ), "folder": str(Path.cwd())}
    ).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
            head = _LENGTH.pack(len(message))
            socket.send_fds(connection, [head], [sys.stdout.fileno(), sys.stderr.fileno()])
            connection.sendall(message)
        except OSError:
            return None
        answer = connection.recv(1)
    if not answer:
        sys.stderr.write("data_checks: the process that ran this ended without a result\n")
        return _CRASHED
    return answer[0]
