"""What is wrong with declarations, collected: one message for each attribute, all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hotclub.errors import ContractError


def label_of(cls: type) -> str:
    """Return how messages name a declaration: ``django_app.flights.ml.ArrivalDelay``."""
    return f"{cls.__module__}.{cls.__qualname__}"


class DeclarationError(ContractError):
    """Declarations that cannot be compiled.

    Attributes:
        problems: one message each: class, attribute, what was found, and the fix.
        declarations: of how many declarations.
    """

    def __init__(self, problems: Iterable[str], declarations: int = 1) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        self.declarations = declarations
        super().__init__("\n".join(self.problems))


class Problems:
    """Collects the problems of one declaration.

    Args:
        cls: the declared class; messages begin with its name.
    """

    def __init__(self, cls: type) -> None:
        self._where = label_of(cls)
        self._found: list[str] = []

    @property
    def messages(self) -> tuple[str, ...]:
        """What was found so far."""
        return tuple(self._found)

    def add(self, attribute: str, message: str) -> None:
        """Note a problem of an attribute; the message says what was found, and the fix."""
        self._found.append(f"{self._where}.{attribute}: {message}")

    @contextmanager
    def of(self, attribute: str) -> Iterator[None]:
        """Note what the block raises as a problem of an attribute, whatever it is: a declaration may hold anything."""
        try:
            yield
        except DeclarationError as error:
            self._found.extend(error.problems)
        except ContractError as error:
            text = str(error)
            self._found.append(text if text.startswith(self._where) else f"{self._where}.{attribute}: {text}")
        except Exception as error:  # noqa: BLE001  # no value of an attribute may end in a traceback
            self.add(attribute, f"{type(error).__name__}: {error}".rstrip(": "))

    def raise_any(self) -> None:
        """Raise what was found.

        Raises:
            DeclarationError: with every problem.
        """
        if self._found:
            raise DeclarationError(self._found)
