"""Does what a page says, as its reader would: in a clone of the repository, with an environment and a shell of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stack.ports import Ports
from tests.live import copy_tree, free_shift
from tests.tutorial.pages import Command, File, Step, read_page

#: A command of a page is over by then; the longest is the first `make up`.
_SECONDS: Final = 400
_SHARED: Final = Path(sysconfig.get_path("purelib"))
_SHARED_BIN: Final = Path(sys.executable).parent


class StepFailedError(AssertionError):
    """A step of a page did not do what the page says."""


@dataclass
class Reader:
    """Runs the steps of a page.

    Attributes:
        folder: of everything; the clone is `hotclub` in it.
        shift: what is added to the ports that a page shows.
    """

    folder: Path
    shift: int

    @property
    def clone(self) -> Path:
        """The folder in which the reader types."""
        return self.folder / "hotclub"

    def run(self, page: Path) -> None:
        """Do every step of a page.

        Raises:
            StepFailedError: with the line of the page, the command and what it printed.
        """
        for step in read_page(page):
            what = step.path if isinstance(step, File) else step.text
            print(f"{page.name}:{step.line}: {what}", flush=True)  # noqa: T201  # minutes pass
            self._do(page, step)

    def _do(self, page: Path, step: Step) -> None:
        if isinstance(step, File):
            target = (self.clone / step.path).resolve()
            assert target.is_relative_to(self.folder), (
                f"{page.name}:{step.line}: {step.path} is not the reader's"
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(step.text, encoding="utf-8")
            return
        code, output = self._shell(self.shifted(step.text))
        difference = Command(
            step.line, step.text, tuple(self.shifted(line) for line in step.expected)
        ).difference(output)
        if code or difference is not None:
            reason = f"ended with {code}" if code else f"did not print: {difference}"
            raise StepFailedError(
                f"{page.name}:{step.line}: {step.text}\n{reason}\n--- it printed:\n{output[-8000:]}"
            )

    def stop(self) -> None:
        """Stop what the page has started and not stopped; also after a page that failed.

        Raises:
            AssertionError: it does not stop.
        """
        code, output = self._shell(f"cd {self.clone} && make down")
        assert code == 0, output

    def shifted(self, text: str) -> str:
        """Return a text of a page with the ports of this stack in it: pages show those of a stack that is alone."""
        alone, here = Ports.shifted(0).named(), Ports.shifted(self.shift).named()
        for name, port in alone.items():
            text = re.sub(rf"127\.0\.0\.1:{port}(?!\d)", f"127.0.0.1:{here[name]}", text)
        return text

    def _shell(self, command: str) -> tuple[int, str]:
        """Run a command in the shell that the commands before have left: its folder and its variables stay."""
        state = self.folder / "shell-state"
        script = (
            f"[ -f {state} ] && source {state}\n{command}\ncode=$?\n"
            f'{{ echo "cd $(printf %q "$PWD")"; declare -p | grep -v "^declare -[a-z]*r"; }} > {state}\nexit $code\n'
        )
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("HOTCLUB_", "PYTHON", "VIRTUAL_ENV", "DJANGO_"))
        }
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=self.clone, env={**kept, "HOTCLUB_PORT_SHIFT": str(self.shift), "COLUMNS": "120"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return 124, f"{output}\n(stopped after {_SECONDS} s)"
        return process.returncode, output


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """Make a clone with an environment of its own, and stop what was started from it."""
    made = Reader(folder, free_shift())
    made.clone.mkdir(parents=True)
    copy_tree(made.clone)
    _make_environment(made.clone / ".venv")
    (made.clone / ".venv" / ".installed").touch()
    try:
        yield made
    finally:
        made.stop()


def _make_environment(folder: Path) -> None:
    """Make an environment that has all packages of ours and takes new ones for itself, in a second instead of minutes."""
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "shared.pth").write_text(f"import site; site.addsitedir({str(_SHARED)!r})\n")
    for script in _SHARED_BIN.iterdir():
        target = folder / "bin" / script.name
        if target.exists() or not script.is_file():
            continue
        first, _, rest = script.read_bytes().partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            target.write_bytes(b"#!" + str(python).encode() + b"\n" + rest)
            target.chmod(0o755)
        else:
            shutil.copy(script, target)
