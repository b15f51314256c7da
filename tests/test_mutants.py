"""The parts of `make mutants` that are ours: the sample, the figure, the kept survivors, functions in a transaction."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from tests.mutants import cli, report
from tests.mutants.__main__ import FLOOR
from tests.mutants.results import Mutant


def mutant(number: int, status: str = "killed") -> Mutant:
    """Return one of many mutants of `hotclub.contract_files.find_model`."""
    return Mutant(f"hotclub.contract_files.x_find_model__mutmut_{number}", status, reached=True)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("hotclub.contract_files.x_find_model__mutmut_3", "hotclub.contract_files.find_model"),
        ("hotclub.contract_files.x__read__mutmut_12", "hotclub.contract_files._read"),
        (
            "serving.served_model.xǁServedModelǁ__init____mutmut_1",
            "serving.served_model.ServedModel.__init__",
        ),
        ("serving.served_model.xǁServedModelǁ_free__mutmut_1", "serving.served_model.ServedModel._free"),
    ],
)
def test_a_mutant_is_named_as_people_write_it(name: str, function: str) -> None:
    """Module, class and function, with their own underscores."""
    made = Mutant(name, "killed", reached=True)
    assert (made.function, made.module) == (function, ".".join(function.split(".")[:2]))


def test_the_order_is_drawn_and_is_the_same_again() -> None:
    """A name has its place whatever else there is; it is neither the order of names nor the quick ones first."""
    every = [mutant(number).name for number in range(100)]
    drawn = sorted(every, key=cli.place)
    assert drawn != sorted(every)
    assert sorted(every[:50], key=cli.place) == [name for name in drawn if name in every[:50]]


def test_a_test_that_never_ends_has_noticed_and_what_did_not_run_does_not_count() -> None:
    """Killed and timed out of those that ran; nothing that ran is nothing noticed, never a hundred percent."""
    mutants = [mutant(1), mutant(2, "timed out"), mutant(3, "survived"), mutant(4, "not run")]
    assert report.score(mutants) == pytest.approx(100 * 2 / 3)
    assert report.score([mutant(4, "not run")]) == 0.0 < FLOOR


def test_the_table_has_a_line_for_each_module_and_one_for_all() -> None:
    """Counts by status stand in their columns."""
    other = Mutant("serving.served_model.xǁServedModelǁtake__mutmut_1", "survived", reached=True)
    head, store, slot, everything = report.table([mutant(1), mutant(2, "timed out"), other])
    assert head.split() == ["module", "killed", "survived", "timed", "out", "not", "run", "noticed"]
    assert store.split() == ["hotclub.contract_files", "1", "0", "1", "0", "100.0%"]
    assert slot.split() == ["serving.served_model", "0", "1", "0", "0", "0.0%"]
    assert everything.split() == ["all", "1", "1", "1", "0", "66.7%"]


def test_a_kept_survivor_needs_a_reason(tmp_path: Path) -> None:
    """Without one the run does not end well; the repository's own file is read."""
    file = tmp_path / "accepted.toml"
    file.write_text('[[mutant]]\nfunction = "a.b"\nchange = ["-x", "+y"]\nreason = " "\n')
    with pytest.raises(ValueError, match=r"the mutant of a\.b has no reason"):
        report.accepted(file)
    assert all(entry.function and len(entry.change) > 1 for entry in report.accepted())


SOURCE = """
@transaction.atomic
def inside(): return 1

@property
def also(): return 2

@transaction.atomic
@cache
def both(): return 3
"""


def test_functions_in_a_transaction_are_mutated_and_other_decorated_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By itself mutmut leaves all of them out; this fails when an update of mutmut changes what we touch in it."""

    def mutated() -> list[str]:
        visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
        MetadataWrapper(cst.parse_module(SOURCE)).visit(visitor)
        return [m.original_node.value for m in visitor.mutations if isinstance(m.original_node, cst.Integer)]

    assert mutated() == []
    monkeypatch.setattr(MutationVisitor, "_skip_node_and_children", cli._skip_but_atomic)
    assert mutated() == ["1"]
