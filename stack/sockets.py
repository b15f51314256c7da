"""A short private folder for unix sockets: their paths may have 107 bytes at most."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
from pathlib import Path

from stack.errors import StackError

#: Not TMPDIR: every process must agree on the path, and it must be short.
_BASE = Path("/tmp")  # noqa: S108 - the folder made here is private, and refused if it is not ours


def socket_folder(home: Path) -> Path:
    """Return the folder of the sockets of the stack in ``home``; does not make it."""
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    return _BASE / f"hotclub-{os.geteuid()}-{digest}"


def make_socket_folder(home: Path) -> Path:
    """Make and return the socket folder of ``home``.

    Only its owner may list it or make files in it. As root others may pass through, because the
    PostgreSQL server, which refuses to be root, keeps its socket in a folder of its own inside.

    Raises:
        StackError: the path is there and is not a folder of ours.
    """
    folder = socket_folder(home)
    mode = 0o711 if os.geteuid() == 0 else 0o700
    folder.mkdir(mode=mode, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to someone else", f"Ask its owner to remove {folder}.")
    folder.chmod(mode)
    return folder


def remove_socket_folder(home: Path) -> None:
    """Remove what stopped servers left in the socket folder of ``home``, and the folder when it is empty."""
    folder = socket_folder(home)
    for path in (*folder.glob("*.sock"), *folder.glob("pg/.s.PGSQL.*[0-9]")):
        if not answers(path):
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    for empty in (folder / "pg", folder):
        with contextlib.suppress(OSError):
            empty.rmdir()


def answers(path: Path) -> bool:
    """Return whether some process still listens on the unix socket ``path``."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        return client.connect_ex(str(path)) == 0
