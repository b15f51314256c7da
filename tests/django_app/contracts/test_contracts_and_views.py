"""``ml.py`` → contract files → views, in a stranger's project, through the real commands."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from hotclub import names
from tests.django_app.foreign import ML, ForeignProject

VIEW = "features.ml_returned_v1"


def _views(project: ForeignProject) -> set[str]:
    with psycopg.connect(project.database.url(names.ROLE_READER)) as connection:
        rows = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'features'")
        return {name for (name,) in rows}


def _file(project: ForeignProject, name: str = "0001.json") -> Path:
    return project.folder / "shop" / "contracts" / "returned" / name


def test_one_declaration_becomes_a_view_that_training_reads(migrated: ForeignProject) -> None:
    """The view has keys, label and features in their types, and the reader's login sees them."""
    with psycopg.connect(migrated.database.url(names.ROLE_APP)) as app:
        app.execute(
            "INSERT INTO shop_order (number, placed_at, country, total, paid_on, returned) VALUES "
            "(1, '2013-07-01T22:30Z', 'DE', 10, '2013-06-30', true), (2, '2013-07-01T22:30Z', 'FR', 5, NULL, NULL), "
            "(3, '2013-07-01T22:30Z', 'FR', 0, NULL, false)"
        )
    with psycopg.connect(migrated.database.url(names.ROLE_READER)) as reader:
        rows = reader.execute(
            f'SELECT label, country, total, hour, since_paid, "known", tenant FROM {VIEW} ORDER BY entity'
        ).fetchall()
    # 22:30 UTC is half past midnight in Berlin; paid at midnight two days before, in Berlin.
    assert rows == [
        (1.0, "DE", 10.0, 0.0, pytest.approx(2 + 0.5 / 24), True, None),
        (None, "FR", 5.0, 0.0, None, False, None),
    ]


PAGES = """
from django.contrib.auth import get_user_model
from django.test import Client
user = get_user_model().objects.create_superuser("a", "a@example.org", "a")
client = Client()
client.force_login(user)
pages = ["/api/v1/contracts/", "/api/v1/deliveries/", "/api/v1/batches/", "/api/v1/prediction-requests/", "/api/schema/"]
pages += ["/admin/" + p for p in ("ingest/delivery/", "ingest/checkrun/", "scoring/batch/", "tenants/tenant/",
    "contracts/contractversion/", "registry/modelversion/", "registry/promotion/")]
print("\\n".join(f"{client.get(page).status_code} {page}" for page in pages))
"""


def test_api_and_admin_work_in_a_strangers_project(migrated: ForeignProject) -> None:
    """Without a single HOTCLUB setting, the API's lists and the admin's pages answer, the declared model among them."""
    output = migrated.must("shell", "--no-imports", "-c", PAGES, role=names.ROLE_APP)
    answers = [line for line in output.splitlines() if "/" in line]
    assert len(answers) == 12
    assert [line for line in answers if not line.startswith("200 ")] == []


def test_makecontracts_writes_once_and_check_agrees(project: ForeignProject) -> None:
    """A second run writes nothing, and --check passes; it needs no database."""
    project.must("makecontracts")
    before = _file(project).read_bytes()
    assert "No changes" in project.must("makecontracts")
    assert _file(project).read_bytes() == before
    project.environment["DATABASE"] = "dbname=nowhere user=nobody password=x host=/nonexistent"
    assert "No changes" in project.must("makecontracts", "--check")


def test_check_fails_on_a_difference_and_writes_nothing(project: ForeignProject) -> None:
    """With a formula changed, --check exits 1, names the feature and leaves the files."""
    project.must("makecontracts")
    project.write("shop/ml.py", ML.replace('Number("total", minimum=0', 'Number("total", minimum=1'))
    done = project.manage("makecontracts", "--check")
    assert done.returncode == 1
    assert "returned version 2: schema changed: ~total" in done.stdout
    assert not _file(project, "0002.json").exists()


def test_new_feature_is_a_new_version_and_a_gate_is_not(migrated: ForeignProject) -> None:
    """A feature makes 0002.json and a second view beside the first's; a gate makes only a policy revision."""
    migrated.write(
        "shop/ml.py", ML.replace('metric = "roc_auc"', 'metric = "roc_auc"\n    gates = {"roc_auc": 0.6}')
    )
    assert "policy changed" in migrated.must("makecontracts")
    assert _file(migrated, "0001.policy-0002.json").exists()
    migrated.write(
        "shop/ml.py",
        ML.replace('"total": Number', '"double": Number(F("total") * 2),\n        "total": Number'),
    )
    assert "+double" in migrated.must("makecontracts")
    migrated.must("migrate")
    assert json.loads(_file(migrated, "0002.json").read_text())["version"] == 2
    assert "ml_returned_v2" in _views(migrated)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (', tzinfo=ZoneInfo("Europe/Berlin")', "", "ExtractHour of a time without a zone"),
        ('"placed_at"\n    horizon', '"placed"\n    horizon', "placed"),
        ('metric = "roc_auc"', 'metric = "rmse"', "not a metric of binary"),
        ("horizon =", "horizn =", "horizon"),
        ('Category("country")', 'Category("contry")', "country"),
        ('"country": Category', '"entity": Category', "a feature's name"),
    ],
)
def test_wrong_declarations_are_told_with_the_place(
    project: ForeignProject, old: str, new: str, words: str
) -> None:
    """A declaration that cannot be a contract fails with its class, the attribute and the fix."""
    assert old in ML
    project.write("shop/ml.py", ML.replace(old, new))
    done = project.manage("makecontracts")
    assert done.returncode == 1
    assert "shop.ml.Returned" in done.stderr
    assert words in done.stderr
