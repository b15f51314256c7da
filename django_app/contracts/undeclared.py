"""Contracts that no class declares any more: of a class that was renamed, moved or removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from django.apps import apps

from django_app import conf
from django_app.contracts.changes import Declared
from django_app.contracts.compilation import model_compiler
from django_app.contracts.validation.declaration_problems import label_of
from hotclub import contract_files, declarations, names
from hotclub.contract import Contract, ModelContract
from hotclub.errors import ContractError

#: How alike two names are, from 0 to 1, that one class may have had one after the other.
_ALIKE = 0.5
_PAGE = 'docs/how-to/declare-a-model.md, "Rename and retire"'


@dataclass(frozen=True)
class Undeclared:
    """The contract files of a class that is not there.

    Attributes:
        directory: the contract's folder.
        app: the label of the app that it lies in.
        contract: its newest version, None where that cannot be read.
        successors: the classes that may be the same under a new name, the likeliest first.
    """

    directory: Path
    app: str
    contract: Contract | None
    successors: tuple[Declared, ...]

    def __str__(self) -> str:
        """Return what was found, what goes on because of it, and what to do, on lines of their own."""
        name = self.directory.name
        lines = [
            f"{self.directory}: no class of the app {self.app} declares {name}, and its contract is still used.",
            f"Until that is decided: {_effects(name, self.contract)}.",
            *(_rename(self, cls) for cls in self.successors),
            _RETIRE[isinstance(self.contract, ModelContract)].format(directory=self.directory, page=_PAGE),
        ]
        return "\n  ".join(lines)


def undeclared(new: Collection[str] = ()) -> list[Undeclared]:
    """Return the contracts of installed apps that no class declares. Needs no database.

    Args:
        new: names of declared classes that have no contract file yet.
    """
    classes: list[Declared] = [*declarations.models.values(), *declarations.sources.values()]
    declared = {(model_compiler.app_label_of(cls), cls.name): cls for cls in classes}
    return [
        Undeclared(directory, app, contract, _successors(directory.name, app, contract, declared, new))
        for app in sorted(apps.app_configs)
        for directory in contract_files.contract_dirs([conf.contracts_root(app)])
        if (app, directory.name) not in declared and contract_files.holds_contract(directory)
        for contract in [_newest(directory)]
    ]


def _newest(directory: Path) -> Contract | None:
    try:
        return contract_files.read_newest(directory)
    except ContractError:
        return None


def _successors(
    name: str,
    app: str,
    contract: Contract | None,
    declared: dict[tuple[str, str], Declared],
    new: Collection[str],
) -> tuple[Declared, ...]:
    """Return the class of the same name in another app, else those of the same app and kind that are new or alike."""
    moved = tuple(cls for (_, other), cls in declared.items() if other == name)
    if moved:
        return moved
    kind = declarations.MLModel if isinstance(contract, ModelContract) else declarations.Source
    there = {
        other: cls
        for (label, other), cls in declared.items()
        if label == app and (contract is None or issubclass(cls, kind))
    }
    alike = get_close_matches(name, there, n=3, cutoff=_ALIKE)
    return tuple(
        there[other]
        for other in dict.fromkeys([*(n for n in alike if n in new), *alike, *new])
        if other in there
    )


def _effects(name: str, contract: Contract | None) -> str:
    if contract is None:
        return "its DAGs are missing, and broken_contracts is an import error in Airflow, because no file of it can be read"
    if not isinstance(contract, ModelContract):
        return f"the DAG {names.ingest_dag_id(name)} checks and loads files that land for it"
    dags = [names.train_dag_id(name), names.score_dag_id(name)]
    if contract.schema.event_time is not None:
        dags.append(names.replay_dag_id(name))
    return (
        f"its DAGs ({', '.join(dags)}) run, a version with the alias {names.ALIAS_CHAMPION} answers, batches of it are accepted, "
        "and migrate builds its view"
    )


def _rename(found: Undeclared, cls: Declared) -> str:
    name = found.directory.name
    if cls.name == name:
        root = conf.contracts_root(model_compiler.app_label_of(cls))
        return (
            f"Was the class moved to {label_of(cls)}? The contract goes along: delete {root / name} if makecontracts has made "
            f"it, and move this folder there."
        )
    root = conf.contracts_root(found.app)
    return (
        f'Was the class renamed to {label_of(cls)}? It keeps the contract and its versions with name = "{name}" in its body; '
        f"delete {root / cls.name} if makecontracts has made it."
    )


#: By whether it is a model.
_RETIRE = {
    True: (
        f"Is it retired? Remove the alias {names.ALIAS_CHAMPION} of it in MLflow, wait for its batches, delete {{directory}}, "
        "commit, and run migrate: {page}."
    ),
    False: "Is it retired? Let deliveries end, delete {directory}, commit, and run migrate: {page}.",
}
