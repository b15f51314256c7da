"""supervisord: its configuration, its life, and its answers over a private unix socket."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from stack.errors import StackError
from stack.home import Home
from stack.leftovers import record_session
from stack.secrets import write_private
from stack.service_definitions import WORKING_DIRECTORY, Service
from stack.sockets import make_socket_folder

_USERNAME = "stack"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord knows of one service.

    Attributes:
        state: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED or FATAL.
        pid: 0 when there is no process.
        uptime_seconds: 0 when there is no process.
        detail: supervisord's own words, such as why it could not be started; empty while it starts.
    """

    name: str
    state: str
    pid: int
    uptime_seconds: int
    detail: str


def socket_path(home: Home) -> Path:
    """Return where supervisord listens."""
    return home.sockets / "supervisor.sock"


def configuration_path(home: Home) -> Path:
    """Return the generated configuration."""
    return home.run / "supervisord.conf"


def configure(home: Home, services: Iterable[Service], password: str) -> None:
    """Write supervisord's configuration, and a script with environment and command for each service.

    A script can be run by hand, as supervisord runs it; the passwords in it keep out of `ps`.
    """
    make_socket_folder(home.root)
    scripts = home.run / "services"
    scripts.mkdir(mode=0o700, exist_ok=True)
    sections = [_main_section(home, password)]
    for service in services:
        command = shlex.join(service.command)
        if service.env:
            script = scripts / f"{service.name}.sh"
            write_private(script, _script(service, home))
            command = shlex.join(("/bin/sh", str(script)))
        sections.append(_program_section(service, command, home))
    write_private(configuration_path(home), "\n".join(sections))


def _main_section(home: Home, password: str) -> str:
    return f"""\
; Generated at every start by the launcher; changes are lost.
[unix_http_server]
file = {_escape(str(socket_path(home)))}
chmod = 0700
username = {_USERNAME}
password = {_escape(password)}

[supervisord]
nodaemon = true
silent = true
logfile = {_escape(str(home.logs / "supervisord.log"))}
logfile_maxbytes = 10MB
logfile_backups = 2
pidfile = {_escape(str(home.run / "supervisord.pid"))}
childlogdir = {_escape(str(home.logs))}
identifier = {home.id}
{"user = root" if os.geteuid() == 0 else ""}
umask = 022

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def _program_section(service: Service, command: str, home: Home) -> str:
    user = f"user = {service.user}\n" if service.user else ""
    # A user of its own need not be let into the repository.
    directory = "/" if service.user else WORKING_DIRECTORY
    return f"""\
[program:{service.name}]
command = {_escape(command)}
directory = {_escape(str(directory))}
{user}autostart = false
autorestart = true
startsecs = 2
startretries = 1000000
stopsignal = {service.stop_signal}
stopwaitsecs = {service.stop_seconds}
stopasgroup = {str(service.stop_group).lower()}
killasgroup = true
redirect_stderr = true
stdout_logfile = {_escape(str(home.logs / f"{service.name}.log"))}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


def _script(service: Service, home: Home) -> str:
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in sorted(service.env.items()))
    group = shlex.quote(str(home.run / f"{service.name}.group"))
    return f"""\
#!/bin/sh
# Generated at every start by the launcher; changes are lost.
# When the service's first process was killed, its other processes may hold the port: end what is left of
# its process group, which supervisord made for it, unless the first process is still there.
old=$(cat {group} 2>/dev/null)
if [ -n "$old" ] && ! kill -0 "$old" 2>/dev/null; then kill -s KILL -- "-$old" 2>/dev/null; fi
echo $$ > {group}
{exports}exec {shlex.join(service.command)}
"""


def _escape(value: str) -> str:
    """Return ``value`` so that supervisord's expansion of ``%`` leaves it as it is."""
    return value.replace("%", "%%")


class Supervisor:
    """The running supervisord of ``home``, by its socket and password."""

    def __init__(self, home: Home, password: str) -> None:
        self._home = home
        self._password = password

    @property
    def _rpc(self) -> Any:
        """A connection of its own for each call: the transport never recovers from one that failed."""
        transport = SupervisorTransport(_USERNAME, self._password, f"unix://{socket_path(self._home)}")
        # The address is not used: the transport knows the socket.
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def alive(self) -> bool:
        """Return whether it answers."""
        try:
            state: dict[str, Any] = self._rpc.getState()
        except (OSError, HTTPException, xmlrpc.client.Error):
            return False
        return bool(state["statename"] == "RUNNING")

    def launch(self, env: dict[str, str]) -> None:
        """Start supervisord in a session of its own and wait until it answers.

        Raises:
            StackError: it ended, or did not answer within 15 seconds.
        """
        output = self._home.logs / "supervisord.out"
        command = [
            sys.executable,
            "-m",
            "supervisor.supervisord",
            "-n",
            "-c",
            str(configuration_path(self._home)),
        ]
        with output.open("wb") as log:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=WORKING_DIRECTORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        record_session(self._home, process.pid)
        deadline = time.monotonic() + 15
        while not self.alive():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise StackError("supervisord did not start", f"{output}:\n{output.read_text()[-2000:]}")
            time.sleep(0.05)
        # It outlives us on purpose: without this, Python would warn of a child that nobody waited for.
        process.returncode = 0

    def states(self) -> dict[str, ProcessState]:
        """Return the state of every service by name.

        Raises:
            StackError: supervisord does not answer, such as when it ends at this moment.
        """
        try:
            found: list[dict[str, Any]] = self._rpc.getAllProcessInfo()
        except (OSError, HTTPException, xmlrpc.client.Error) as error:
            raise StackError(
                f"supervisord does not answer any more: {error!r}",
                f"It may be ending; see {self._home.logs / 'supervisord.log'}. `make status` says what runs.",
            ) from error
        return {
            p["name"]: ProcessState(
                p["name"],
                p["statename"],
                p["pid"],
                max(p["now"] - p["start"], 0) if p["pid"] else 0,
                p["description"] or p["spawnerr"],
            )
            for p in found
        }

    def last_exit(self, name: str) -> str:
        """Return how a service's process last ended, such as "exit status 3"; empty when no process of it has ended.

        Its log alone knows: what supervisord answers has no exit status of a process that ended soon after its start.
        """
        log = self._home.logs / "supervisord.log"
        try:
            found = re.findall(
                rf" exited: {re.escape(name)} \(([^;)]+)", log.read_text(errors="replace"), re.MULTILINE
            )
        except OSError:
            return ""
        return str(found[-1]) if found else ""

    def start(self, name: str) -> None:
        """Start a service and return at once; one that runs already is left alone."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc.startProcess(name, False)

    def signal(self, name: str, signal_name: str) -> None:
        """Send a signal to a service's first process; one that does not run gets none."""
        with contextlib.suppress(xmlrpc.client.Fault):
            self._rpc.signalProcess(name, signal_name)

    def stop(self, names: Iterable[str]) -> None:
        """Stop services side by side and wait for all; what does not stop in its time is killed."""
        wanted = set(names)
        for name in wanted:
            with contextlib.suppress(xmlrpc.client.Fault):
                self._rpc.stopProcess(name, False)
        while any(s.pid for s in self.states().values() if s.name in wanted):
            time.sleep(0.1)

    def reread(self, except_for: Collection[str] = ()) -> None:
        """Take over the written configuration: services that are new, gone or changed; those that run are left.

        Args:
            except_for: services that keep what they have.

        Raises:
            StackError: supervisord does not understand the configuration.
        """
        try:
            added, changed, removed = self._rpc.reloadConfig()[0]
        except xmlrpc.client.Fault as error:
            raise StackError(
                f"supervisord refuses its configuration: {error.faultString}",
                "`make down` and then `make up` start it anew.",
            ) from error
        for name in {*changed, *removed}.difference(except_for):
            self._rpc.removeProcessGroup(name)
        for name in {*added, *changed}.difference(except_for):
            self._rpc.addProcessGroup(name)

    def shutdown(self) -> None:
        """Tell supervisord to end."""
        with contextlib.suppress(OSError, HTTPException, xmlrpc.client.Error):
            self._rpc.shutdown()
