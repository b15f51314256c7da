"""Where each service listens: on 127.0.0.1 only, and all ports shift by one variable."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

from stack.errors import StackError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP port of every service that has one."""

    django: int
    serving: int
    airflow: int
    mlflow: int

    @classmethod
    def shifted(cls, shift: int) -> Ports:
        """Return the well-known ports plus ``shift``."""
        return cls(django=8000 + shift, serving=8100 + shift, airflow=8080 + shift, mlflow=5000 + shift)

    def named(self) -> dict[str, int]:
        """Return the ports by service."""
        return {
            "django": self.django,
            "serving": self.serving,
            "airflow": self.airflow,
            "mlflow": self.mlflow,
        }

    def url(self, service: str) -> str:
        """Return the address of ``service`` without a trailing slash."""
        return f"http://{HOST}:{self.named()[service]}"

    def require_free(self) -> None:
        """Refuse to start where a port is taken.

        Raises:
            StackError: names each taken port, its holder where the system says, and the variable.
        """
        taken = [f"{port} ({name}){_holder(port)}" for name, port in self.named().items() if _taken(port)]
        if taken:
            raise StackError(
                f"Ports already taken: {', '.join(taken)}",
                "Stop what uses them, or shift all of ours: HOTCLUB_PORT_SHIFT=1000 make up",
            )


def _taken(port: int) -> bool:
    with socket.socket() as candidate:
        # Connections of a server that just ended do not keep us from listening again.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return True
    return False


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            # psutil gives an empty address where a connection has none.
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f" by process {connection.pid}, {psutil.Process(connection.pid).name()}"
    except psutil.Error:
        pass
    return ""
