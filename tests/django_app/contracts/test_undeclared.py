"""Contracts of a class that was renamed, moved or removed: they are named, with what to do, until somebody has done it."""

from __future__ import annotations

import shutil
import subprocess

from hotclub import names
from tests.django_app.foreign import ML, ForeignProject

SOURCE = """
from hotclub.declarations import Source
from shop.models import Order
class Orders(Source):
    model = Order
    natural_key = ("number",)
    columns = {"number": "number", "total": "total", "placed": "placed_at", "country": "country"}
"""
#: A version that answers, as it is mirrored from MLflow.
CHAMPION = """
from django.utils import timezone
from django_app.contracts.models import ContractVersion
from django_app.registry.models import ModelVersion
ModelVersion.objects.create(model_name="returned", version=7, aliases=["champion"], registered_at=timezone.now(),
    contract_fingerprint=ContractVersion.objects.get(name="returned").fingerprint)
"""

#: What the admin's list says of the contract's file.
LABEL = """
from django.contrib import admin
from django_app.contracts.models import ContractVersion
print("file:", admin.site.get_model_admin(ContractVersion).file_label(ContractVersion.objects.get(name="returned"))[1])
"""


def _check(project: ForeignProject) -> subprocess.CompletedProcess[str]:
    return project.manage("makecontracts", "--check")


def test_a_renamed_class_is_named_with_both_ways_out(project: ForeignProject) -> None:
    """The old contract stays in use until it is decided: its name on the new class, or its folder away."""
    project.must("makecontracts")
    project.write("shop/ml.py", ML.replace("class Returned(", "class SentBack("))
    old, new = project.folder / "shop/contracts/returned", project.folder / "shop/contracts/sent_back"
    before = _check(project)
    assert before.returncode == 1
    assert "ml.py and the contract files differ" in before.stderr
    # No letters are alike: it is the class that is new.
    assert (
        'renamed to shop.ml.SentBack? It keeps the contract and its versions with name = "returned"'
        in before.stderr
    )
    assert not new.exists()

    written = project.manage("makecontracts")
    assert written.returncode == 0
    assert "sent_back version 1: new" in written.stdout
    for part in (
        f"{names.WARNING}{old}: no class of the app shop declares returned",
        "its DAGs (returned.train, returned.score, returned.replay) run",
        "the alias champion answers",
        f"delete {old}, commit, and run migrate",
    ):
        assert part in written.stderr

    after = _check(project)
    assert (after.returncode, "No changes" in after.stdout) == (1, False)
    assert "Nothing to write: 1 contracts agree" in after.stdout
    assert "Contracts without a declaration: returned." in after.stderr
    assert "ml.py and the contract files differ" not in after.stderr

    project.write(
        "shop/ml.py",
        ML.replace("class Returned(MLModel):", 'class SentBack(MLModel):\n    name = "returned"'),
    )
    shutil.rmtree(new)
    kept = _check(project)
    assert (kept.returncode, kept.stdout, kept.stderr) == (
        0, "No changes: 1 contracts agree with their declarations.\n", ""
    )  # fmt: skip


def test_a_name_that_is_alike_is_proposed_after_it_was_written(project: ForeignProject) -> None:
    """The rename was compiled already, perhaps days ago: the nearest name of the same kind is meant."""
    project.must("makecontracts")
    project.write(
        "shop/ml.py",
        ML.replace("class Returned(", "class ReturnedOrder(") + SOURCE.replace("Orders", "Returns"),
    )
    project.must("makecontracts")
    said = _check(project).stderr
    assert "renamed to shop.ml.ReturnedOrder?" in said
    assert "shop.ml.Returns?" not in said


def test_a_removed_source_is_named_although_the_app_declares_nothing(project: ForeignProject) -> None:
    """Its DAG loads what lands; other folders beside contracts are nobody's contract."""
    project.write("shop/ml.py", SOURCE)
    project.must("makecontracts")
    project.write("shop/ml.py", "")
    (project.folder / "shop/contracts/__pycache__").mkdir()
    said = _check(project)
    assert said.returncode == 1
    assert "the DAG orders.ingest checks and loads files that land for it" in said.stderr
    assert "Let deliveries end" in said.stderr
    assert "Was the class" not in said.stderr
    assert "__pycache__" not in said.stderr
    shutil.rmtree(project.folder / "shop/contracts/orders")
    assert _check(project).returncode == 0


def test_a_moved_class_takes_its_contract_along(project: ForeignProject) -> None:
    """Two apps with a contract of one name would each be read: the folder goes where the class is."""
    project.must("makecontracts")
    project.write("shop/ml.py", "")
    project.write("people/ml.py", ML)
    said = _check(project).stderr
    assert "Was the class moved to people.ml.Returned?" in said
    (project.folder / "people/contracts").mkdir()
    (project.folder / "shop/contracts/returned").rename(project.folder / "people/contracts/returned")
    kept = _check(project)
    assert (kept.returncode, kept.stderr) == (0, "")


def test_a_contract_that_cannot_be_read_is_named_too(project: ForeignProject) -> None:
    """Its kind is not known, and its folder is in the way all the same."""
    project.must("makecontracts")
    project.write("shop/contracts/lost/0001.json", "{")
    said = _check(project)
    assert said.returncode == 1
    assert "declares lost" in said.stderr
    assert "no file of it can be read" in said.stderr


def test_a_retired_contract_that_still_serves_is_reported(migrated: ForeignProject) -> None:
    """Migrate and check say it until the alias is removed; the view and the record stay for what was scored."""
    migrated.must("shell", "--no-imports", "-c", CHAMPION, role=names.ROLE_APP)
    assert "no contract file" not in migrated.manage("migrate").stderr
    assert "file: there" in migrated.must("shell", "--no-imports", "-c", LABEL, role=names.ROLE_APP)
    migrated.write("shop/ml.py", "")
    shutil.rmtree(migrated.folder / "shop/contracts/returned")
    assert "file: retired" in migrated.must("shell", "--no-imports", "-c", LABEL, role=names.ROLE_APP)
    message = "returned version 1 has no contract file any more, and serves as champion"
    done = migrated.manage("migrate")
    assert done.returncode == 0
    assert f"{names.WARNING}{message}" in done.stderr
    assert message in migrated.manage("check", "--database", "default").stderr
    end = "from django_app.registry.models import ModelVersion\nModelVersion.objects.update(aliases=[])"
    migrated.must("shell", "--no-imports", "-c", end, role=names.ROLE_APP)
    assert "no contract file" not in migrated.manage("migrate").stderr
    assert "no contract file" not in migrated.manage("check", "--database", "default").stderr
