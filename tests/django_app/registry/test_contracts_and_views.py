"""``ml.py`` → contract files → views, in a stranger's project, through the real commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hotclub import names
from tests.conftest import Database
from tests.django_app.foreign import ML, ForeignProject, make_foreign_project

VIEW = "features.ml_returned_v1"


@pytest.fixture
def project(tmp_path: Path, provision: Callable[[str], Database]) -> Iterator[ForeignProject]:
    """A foreign project on a database of its own, neither compiled nor migrated."""
    database = provision(f"foreign_{abs(hash(tmp_path)) % 10**8}")
    yield make_foreign_project(tmp_path, database)
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture
def migrated(project: ForeignProject) -> ForeignProject:
    """The project with its first contract and its view."""
    project.must("makecontracts")
    project.must("migrate")
    return project


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
    "registry/contractversion/", "registry/modelversion/", "registry/promotion/")]
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


class TestMigrationsUnderAView:
    """A live view never goes without a word, and never blocks a migration that does not break it."""

    def test_altered_column_is_rebuilt(self, migrated: ForeignProject) -> None:
        """A column that the view reads changes its type, which PostgreSQL refuses under a view; the view is there again."""
        migrated.migration(
            "wider",
            "migrations.AlterField('order', 'total', models.DecimalField(max_digits=12, decimal_places=2))",
        )
        output = migrated.must("migrate")
        assert "set aside" in output
        assert "ml_returned_v1" in _views(migrated)

    def test_removed_column_fails_and_names_the_version(self, migrated: ForeignProject) -> None:
        """A column that the view reads is removed: migrate fails, naming model, version and column."""
        migrated.migration("less", "migrations.RemoveField('order', 'country')")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "returned version 1 (ml_returned_v1)" in done.stderr
        assert "country" in done.stderr

    def test_column_brought_back_mends_it(self, migrated: ForeignProject) -> None:
        """After the column came back, migrate builds the view again."""
        migrated.migration("less", "migrations.RemoveField('order', 'country')")
        assert migrated.manage("migrate").returncode == 1
        migrated.migration(
            "again", "migrations.AddField('order', 'country', models.CharField(max_length=2, default='DE'))"
        )
        migrated.must("migrate")
        assert "ml_returned_v1" in _views(migrated)

    def test_migration_that_fails_leaves_the_view(self, migrated: ForeignProject) -> None:
        """A migration that raises after the views were set aside: migrate fails with its error, and they are back."""
        migrated.migration(
            "breaks",
            "migrations.AlterField('order', 'total', models.DecimalField(max_digits=12, decimal_places=2)),"
            " migrations.RunSQL('SELECT 1 / 0')",
        )
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "set aside" in done.stdout
        assert "division by zero" in done.stderr
        assert "ml_returned_v1" in _views(migrated)

    def test_failure_after_a_column_went_names_both(self, migrated: ForeignProject) -> None:
        """Where an earlier migration took a column away, the view cannot come back: the failure stays the first error."""
        migrated.migration("less", "migrations.RemoveField('order', 'country')")
        migrated.migration("breaks", "migrations.RunSQL('SELECT 1 / 0')")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "division by zero" in done.stderr.strip().splitlines()[-1]
        assert "returned version 1 (ml_returned_v1)" in done.stderr

    def test_contract_that_is_not_readable_stops_before_the_views(self, migrated: ForeignProject) -> None:
        """What could not be built again is not dropped: migrate fails before the first migration."""
        migrated.migration("more", "migrations.AddField('order', 'note', models.TextField(default=''))")
        _file(migrated).write_text("{")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "Nothing was migrated" in done.stderr
        assert "ml_returned_v1" in _views(migrated)

    def test_migration_of_another_app_leaves_the_view_alone(self, migrated: ForeignProject) -> None:
        """A migration of an app that no view reads does not set views aside."""
        migrated.write(
            "people/models.py",
            "from django.contrib.auth.models import AbstractUser\nfrom django.db import models\nclass Person(AbstractUser):\n    nick = models.CharField(max_length=9, default='')\n",
        )
        migrated.must("makemigrations", "people")
        assert "set aside" not in migrated.must("migrate")
        assert "ml_returned_v1" in _views(migrated)
