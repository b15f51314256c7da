"""Failures that the launcher expects, each with the fix."""

from __future__ import annotations

from hotclub.errors import HotclubError


class StackError(HotclubError):
    """Something that stops the launcher.

    Attributes:
        problem: what is wrong, in one sentence.
        fix: what the person at the keyboard can do about it.
    """

    def __init__(self, problem: str, fix: str) -> None:
        self.problem = problem
        self.fix = fix
        super().__init__(f"{problem}\n{fix}")
