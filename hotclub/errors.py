"""Expected failures. Each carries what the caller can do about it.

The base says which answer it is over HTTP: `NotFoundError`, `ConflictError`, `InvalidInputError`, `UnavailableError`. Django's
and serving's `exception_handlers` map these bases, and no single error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field of an input.

    Attributes:
        field: where, as a dotted path: ``instances.3.hour``.
        message: what is wrong and what would be right, in one sentence.
    """

    field: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the member of problem+json's ``errors`` list."""
        return {"field": self.field, "message": self.message}


class HotclubError(Exception):
    """The base of every failure that Hotclub expects.

    Attributes:
        problem_type: the ``type`` of its answer over HTTP (RFC 9457), for failures that callers must tell apart.
    """

    problem_type: ClassVar[str] = "about:blank"


class NotFoundError(HotclubError):
    """There is nothing of this name. Over HTTP this is 404."""


class ConflictError(HotclubError):
    """The request is not possible in the current state. Over HTTP this is 409."""


class UnavailableError(HotclubError):
    """Something that the answer needs does not answer; the same request may succeed later. Over HTTP this is 503."""


class InvalidInputError(HotclubError):
    """An input that its contract refuses, with every field's error at once.

    Over HTTP this is 422.
    """

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors: tuple[FieldError, ...] = tuple(errors)
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in self.errors))

    @classmethod
    def of(cls, field: str, message: str) -> InvalidInputError:
        """Return the error of a single field."""
        return cls([FieldError(field, message)])


class ContractError(HotclubError):
    """A declaration or a contract file that cannot be used, with the place and the fix."""


class UnknownContractError(ContractError, NotFoundError):
    """There is no contract of this name, or none of this kind; the message lists what there is."""


class PackageError(HotclubError):
    """A model package that must not serve: incomplete, altered, or not what it says it is."""


class RegistryError(UnavailableError):
    """The model registry did not answer as expected."""


class RegistryUnavailableError(RegistryError):
    """The model registry cannot be reached at all; the next question would wait just as long."""


class RegistryRefusedError(RegistryError):
    """The model registry answered and refused: asking again gives the same answer."""


class RegistryNotFoundError(RegistryRefusedError):
    """The model registry has no such model, version or alias."""


class GateError(HotclubError):
    """A version whose quality gates did not pass, without an override that gives a reason."""
