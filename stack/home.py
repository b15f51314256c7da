"""The state folder: where each service keeps its things."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError
from stack.sockets import socket_folder

_PRIVATE = ("secrets", "run")


@dataclass(frozen=True, slots=True)
class Home:
    """HOTCLUB_HOME as paths. `root` is absolute."""

    root: Path

    @property
    def id(self) -> str:
        """What marks processes of this stack, in their variable HOTCLUB_STACK."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]

    @property
    def postgres(self) -> Path:
        """The embedded server's folder; its data is in ``data`` below."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """The embedded broker's data."""
        return self.root / "redis"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME: task logs, and nothing written by hand."""
        return self.root / "airflow"

    @property
    def mlflow(self) -> Path:
        """Artifacts of the model registry."""
        return self.root / "mlflow"

    @property
    def landing(self) -> Path:
        """Where files arrive."""
        return self.root / "landing"

    @property
    def archive(self) -> Path:
        """Accepted files by digest."""
        return self.root / "archive"

    @property
    def snapshots(self) -> Path:
        """One folder per training run."""
        return self.root / "snapshots"

    @property
    def cache(self) -> Path:
        """Model packages by digest."""
        return self.root / "cache"

    @property
    def logs(self) -> Path:
        """A log file per service."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Generated configuration, records of running processes, stamps."""
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        """Passwords and keys; only for their owner."""
        return self.root / "secrets"

    @property
    def started_with(self) -> Path:
        """What `up` was called with. Among the secrets: the address of a server of yours may have a password."""
        return self.secrets / "started_with.json"

    @property
    def sockets(self) -> Path:
        """Unix sockets; outside, because their paths must be short."""
        return socket_folder(self.root)

    def make(self) -> None:
        """Make every folder.

        Raises:
            StackError: the folder cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for name in (
                "postgres",
                "redis",
                "airflow",
                "mlflow",
                "landing",
                "archive",
                "snapshots",
                "cache",
            ):
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
            # Tenants' rows are in files, packages and logs: nobody else on this machine reads them. PostgreSQL's
            # folder stays passable, because a server started by root runs as a user of its own.
            self.logs.mkdir(mode=0o700, exist_ok=True)
            (self.root / "postgres").chmod(0o711)
            for name in _PRIVATE:
                (self.root / name).mkdir(mode=0o700, exist_ok=True)
                (self.root / name).chmod(0o700)
            probe = self.run / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StackError(
                f"{error.filename or self.root} cannot be written: {error.strerror}",
                "Set HOTCLUB_HOME to a folder that you may write, or change the owner of this one.",
            ) from error
