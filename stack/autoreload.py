"""``python -m stack.autoreload shop``: web and worker load the code of these apps when it changes.

Changed code is tried first, in a process of its own: services keep the code they have until it can be
imported, and `make status` says why it cannot. A file that is saved without a change restarts nothing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from watchfiles import PythonFilter, watch

from stack import secrets
from stack.errors import StackError
from stack.home import Home
from stack.service_definitions import WORKING_DIRECTORY
from stack.settings import folder_of_app
from stack.supervisor import Supervisor

#: The service that this module is.
NAME: Final = "autoreload"
#: What imports the apps and runs for long.
SERVICES: Final = ("django", "worker")
#: A migration is run by `migrate`, which is a process of its own.
_IGNORED_FOLDERS: Final = frozenset({"migrations", "__pycache__", "tests"})
#: What a worker does before it asks its broker, which is more than the web process does: settings, models, every
#: ml.py, Django's checks, tasks. It asks no database.
_TRIAL: Final = (
    "import django_app.config.celery as c, django; django.setup(); c.app.loader.import_default_modules()"
)
_TRIAL_SECONDS: Final = 120
_LOOK_EVERY_MS: Final = 3000
_RECORD: Final = "autoreload.json"
_EARLIER: Final = "code that was not loaded"


class Reloader:
    """Restarts services when files below folders differ from what they were.

    Attributes:
        problem: why changed code is not loaded; empty when it is.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        trial: Callable[[], str],
        restart: Callable[[], None],
        problem: str = "",
    ) -> None:
        """Remember the code of now.

        Args:
            folders: of the apps.
            trial: returns why the code cannot be loaded.
            restart: restarts services.
            problem: what an earlier reloader of the same services found last; the code is then tried at the first look.
        """
        self._folders = folders
        self._trial = trial
        self._restart = restart
        self._digests = digests(folders)
        self.problem = problem
        self._first = bool(problem)

    def look(self) -> bool:
        """Restart when code changed and can be loaded; return whether anything was different."""
        found = digests(self._folders)
        again, self._first = self._first, False
        if found == self._digests and not again:
            return False
        changed = sorted(
            str(path)
            for path in found.keys() | self._digests.keys()
            if found.get(path) != self._digests.get(path)
        )
        self._digests = found
        self.problem = syntax_problem(found) or self._trial()
        if self.problem:
            _say(f"{', '.join(changed) or _EARLIER} changed and is not loaded: {self.problem}")
        else:
            _say(f"{', '.join(changed) or _EARLIER} changed: reloading {', '.join(SERVICES)}")
            self._restart()
        return True


def digests(folders: Iterable[Path]) -> dict[Path, str]:
    """Return the digest of every Python file that services import, by path."""
    found = {}
    for path in _python_files(folders):
        try:
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            continue  # it is being replaced, or gone: the next look tells
    return found


def _python_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Yield them, also below links to folders, and each folder once: a link may lead back up."""
    for top in folders:
        seen: set[Path] = set()
        for name, below, files in os.walk(top, followlinks=True):
            folder = Path(name)
            place = folder.resolve()
            below[:] = [] if place in seen else sorted(set(below) - _IGNORED_FOLDERS)
            if place not in seen:
                yield from (folder / file for file in sorted(files) if file.endswith(".py"))
            seen.add(place)


def syntax_problem(paths: Iterable[Path]) -> str:
    """Return what is wrong with the first file that is no Python; empty when all are."""
    for path in sorted(paths):
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f"{path}, line {line}" if line else str(path)
            return f"{type(error).__name__}: {getattr(error, 'msg', error)} ({where})"
        except OSError:
            continue
    return ""


def import_problem(environment: Mapping[str, str] | None = None) -> str:
    """Return the last line of what Python says when it cannot load the apps; empty when it can.

    Args:
        environment: of the process that tries, with Django's settings; this process's own by default.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            env=None if environment is None else dict(environment),
            cwd=WORKING_DIRECTORY,
            capture_output=True,
            text=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not loaded in {_TRIAL_SECONDS} s"
    lines = done.stderr.strip().splitlines() or [
        f"Python ended with exit code {done.returncode} and no message"
    ]
    return "" if done.returncode == 0 else lines[-1]


def looks(folders: Sequence[Path]) -> Iterator[None]:
    """Yield when it is time to look: after an event, and every few seconds.

    Files that come with a new folder may give no event, nor does a folder that was put in the place of another.
    """
    yield from (
        None
        for _ in watch(
            *folders,
            watch_filter=PythonFilter(),
            raise_interrupt=False,
            rust_timeout=_LOOK_EVERY_MS,
            yield_on_timeout=True,
        )
    )


def restart(supervisor: Supervisor) -> None:
    """Give web and worker the code of now; what was stopped by hand stays so."""
    for name in SERVICES:
        state = supervisor.states().get(name)
        if state is None or state.state == "STOPPED":
            continue
        if name == "django" and state.state == "RUNNING":
            # gunicorn starts new workers, which import the code, and keeps the port: no request is refused.
            supervisor.signal(name, "HUP")
        else:
            supervisor.stop([name])
            supervisor.start(name)


def forget(home: Home) -> None:
    """Forget what was wrong with the code: the services that would load it have just been stopped, or never ran."""
    record_path(home).unlink(missing_ok=True)


def record_path(home: Home) -> Path:
    """Return the file that says why changed code is not loaded."""
    return home.run / _RECORD


def problem(home: Home) -> str:
    """Return why changed code is not loaded; empty when it is."""
    try:
        found = json.loads(record_path(home).read_text())
    except (OSError, ValueError):
        return ""
    return str(found.get("problem", "")) if isinstance(found, dict) else ""


def main(apps: Sequence[str]) -> None:
    """Watch the folders of ``apps`` until this process is ended."""
    home = Home(Path(os.environ["HOTCLUB_HOME"]))
    supervisor = Supervisor(home, secrets.ensure(home).supervisor_password)
    folders = [folder_of_app(app) for app in apps]

    # Of a reloader that ended while its services ran on: they still lack the code that it could not load.
    reloader = Reloader(folders, import_problem, lambda: restart(supervisor), problem(home))
    _say(f"watching {', '.join(map(str, folders))}")
    for _ in itertools.chain([None], looks(folders)):
        if reloader.look():
            record_path(home).write_text(json.dumps({"problem": reloader.problem}))


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except StackError as error:
        sys.exit(f"{error.problem}\n{error.fix}")
