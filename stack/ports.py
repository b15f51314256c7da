"""Where each service listens: on 127.0.0.1 only, and all ports shift by one variable."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

import psutil

from stack.errors import StackError

HOST = "127.0.0.1"
#: The shift that pages and messages name first. Its multiples keep any few stacks apart.
EXAMPLE_SHIFT: Final = 200
_PORTS: Final = {"django": 8000, "serving": 8100, "airflow": 8080, "mlflow": 5000}
#: Browsers open no page on these ("ERR_UNSAFE_PORT"): https://fetch.spec.whatwg.org/#port-blocking.
_BLOCKED_BY_BROWSERS: Final = frozenset(
    {5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)


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
        return cls(**{name: port + shift for name, port in _PORTS.items()})

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
                f"Stop what uses them, or shift all of ours: HOTCLUB_PORT_SHIFT={suggestion()} make up",
            )


def shift_problem(shift: int) -> str | None:
    """Return why two stacks with ``shift`` between them would not both work; None when they would."""
    for name, port in Ports.shifted(shift).named().items():
        other = next((n for n, unshifted in _PORTS.items() if shift and unshifted == port), None)
        if other is not None:
            return f"{name} would have port {port}, which is {other}'s in a stack without a shift"
        if port in _BLOCKED_BY_BROWSERS:
            return f"{name} would have port {port}, on which browsers open no page"
    return None


def suggestion() -> int:
    """Return a shift with which a stack could start now; the documented one when none is free."""
    shifts = range(EXAMPLE_SHIFT, 10 * EXAMPLE_SHIFT, EXAMPLE_SHIFT)
    fitting = (shift for shift in shifts if shift_problem(shift) is None)
    free = (s for s in fitting if not any(_taken(port) for port in Ports.shifted(s).named().values()))
    return next(free, EXAMPLE_SHIFT)


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
