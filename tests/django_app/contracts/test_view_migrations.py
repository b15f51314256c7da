"""Migrations under feature views: none is lost without a word, and none blocks a migration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from hotclub import names
from hotclub.mlflow_rest import MlflowRegistry
from stack import database_roles
from tests.conftest import Database
from tests.django_app.foreign import ML, SETTINGS, ForeignProject, make_foreign_project

pytestmark = pytest.mark.integration

LESS = "migrations.RemoveField('order', 'country')"
AGAIN = "migrations.AddField('order', 'country', models.CharField(max_length=2, default='DE'))"
WIDER = "migrations.AlterField('order', 'total', models.DecimalField(max_digits=12, decimal_places=2))"


def _views(project: ForeignProject) -> set[str]:
    with psycopg.connect(project.database.url(names.ROLE_READER)) as connection:
        rows = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'features'")
        return {name for (name,) in rows}


def _row(project: ForeignProject, view: str = "ml_returned_v1") -> tuple[object, ...]:
    """The one order as training reads it."""
    with psycopg.connect(project.database.url(names.ROLE_READER)) as reader:
        rows = reader.execute(f"SELECT label, country, total FROM features.{view}").fetchall()
    assert len(rows) == 1
    return rows[0]


def _order(project: ForeignProject) -> None:
    with psycopg.connect(project.database.url(names.ROLE_APP)) as app:
        app.execute(
            "INSERT INTO shop_order (number, placed_at, country, total, paid_on, returned)"
            " VALUES (1, '2013-07-01T22:30Z', 'DE', 10, '2013-06-30', true)"
        )


#: What PostgreSQL carries a view through, and what it refuses under one; each follows the one before.
HARMLESS = {
    "a column is renamed": ("migrations.RenameField('order', 'country', 'land')", ""),
    "the renamed column changes its type": (
        "migrations.AlterField('order', 'land', models.CharField(max_length=9))",
        "",
    ),
    "a rename and a type in one migration": (
        (
            "migrations.RenameField('order', 'total', 'amount'),"
            " migrations.AlterField('order', 'amount', models.DecimalField(max_digits=12, decimal_places=2))"
        ),
        "",
    ),
    "two columns change their names, and one its type": (
        (
            "migrations.AddField('order', 'other', models.FloatField(default=99)),"
            " migrations.RenameField('order', 'amount', 'spare'), migrations.RenameField('order', 'other', 'amount'),"
            " migrations.RenameField('order', 'spare', 'other'),"
            " migrations.AlterField('order', 'other', models.DecimalField(max_digits=14, decimal_places=3))"
        ),
        "",
    ),
    "the model is renamed": ("migrations.RenameModel('Order', 'Purchase')", ""),
    "the table is renamed": ("migrations.AlterModelTable('Purchase', 'purchases')", ""),
    "a type by SQL": (
        "migrations.RunSQL('ALTER TABLE purchases ALTER COLUMN number TYPE bigint; ALTER TABLE purchases ALTER land TYPE text')",
        "",
    ),
    "a type by SQL that the state is told of": (
        (
            "migrations.SeparateDatabaseAndState([migrations.RunSQL('ALTER TABLE purchases ALTER land TYPE varchar(12)')],"
            " [migrations.AlterField('purchase', 'land', models.CharField(max_length=12))])"
        ),
        "",
    ),
    "a type by Python": (
        (
            "migrations.RunPython(lambda apps, editor: editor.connection.cursor().execute("
            "'ALTER TABLE purchases ALTER land TYPE varchar(14)'))"
        ),
        "",
    ),
    "a type outside of a transaction": (
        "migrations.AlterField('purchase', 'land', models.CharField(max_length=20))",
        "atomic = False",
    ),
    "a collation": (
        "migrations.AlterField('purchase', 'land', models.CharField(max_length=20, db_collation='C'))",
        "",
    ),
    "a comment, an index, a default": (
        (
            "migrations.AlterField('purchase', 'land', models.CharField(max_length=20, db_collation='C', db_comment='x',"
            " db_index=True, db_default='DE'))"
        ),
        "",
    ),
    "a column that no view reads comes and goes": (
        (
            "migrations.AddField('purchase', 'note', models.TextField(default='')),"
            " migrations.RemoveField('purchase', 'note')"
        ),
        "",
    ),
    "an index that is built beside the work": (
        (
            "__import__('django.contrib.postgres.operations', fromlist=['x']).AddIndexConcurrently('purchase',"
            " models.Index(fields=['placed_at'], name='placed'))"
        ),
        "atomic = False",
    ),
}


def test_the_view_stays_and_reads_the_same(migrated: ForeignProject) -> None:
    """Renames, types, collations, by whatever operation: the view is there and says the same."""
    _order(migrated)
    before = _row(migrated)
    for number, (case, (operations, more)) in enumerate(HARMLESS.items(), start=2):
        migrated.migration(f"step_{number}", operations, more)
        done = migrated.manage("migrate")
        assert (case, done.returncode, done.stderr) == (case, 0, "")
        assert (case, _row(migrated)) == (case, before)
    with psycopg.connect(migrated.database.url(names.ROLE_MIGRATOR)) as owner:
        comment = owner.execute("SELECT obj_description('features.ml_returned_v1'::regclass)").fetchone()
    contract = json.loads((migrated.folder / "shop/contracts/returned/0001.json").read_text())
    assert comment == (contract["fingerprint"],)


def test_a_type_goes_back_under_the_view(migrated: ForeignProject) -> None:
    """A migration that is undone changes types too."""
    _order(migrated)
    migrated.migration("wider", WIDER)
    migrated.must("migrate")
    migrated.must("migrate", "shop", "0001")
    assert _row(migrated) == (1.0, "DE", 10.0)


@pytest.mark.parametrize("meta", ["proxy = True", "managed, db_table = False, 'shop_order'"])
def test_the_table_is_found_whoever_names_it_too(migrated: ForeignProject, meta: str) -> None:
    """A proxy or an unmanaged model of the table in a later app does not hide it."""
    migrated.write("settings.py", SETTINGS.replace('"people", "shop"', '"people", "shop", "later"'))
    base = "Order" if "proxy" in meta else "models.Model"
    migrated.write("later/__init__.py", "")
    migrated.write("later/migrations/__init__.py", "")
    migrated.write(
        "later/models.py",
        f"from django.db import models\nfrom shop.models import Order\nclass Again({base}):\n    class Meta:\n        {meta}\n",
    )
    migrated.must("makemigrations", "later")
    migrated.must("migrate")
    migrated.migration("wider", WIDER)
    assert migrated.manage("migrate").stderr == ""
    assert "ml_returned_v1" in _views(migrated)


class TestAColumnThatGoes:
    """The schema changes, everything starts, and one version is named wherever somebody looks."""

    def test_migrate_warns_each_time_and_is_done(self, migrated: ForeignProject) -> None:
        """Exit code 0, and a warning with model, version, reason, who needs it and the fix; again at the next migrate."""
        migrated.migration("less", LESS)
        for _ in range(2):
            done = migrated.manage("migrate")
            assert done.returncode == 0
            assert done.stderr.startswith(f"{names.WARNING}returned version 1 has no feature view")
            assert "country does not exist" in done.stderr
            assert "is the newest of its model" in done.stderr
            assert "Fix: restore" in done.stderr
        assert "ml_returned_v1" not in _views(migrated)

    def test_whoever_asks_is_told(self, migrated: ForeignProject) -> None:
        """`migrate --check` fails, `check` warns, the API lists it, the admin shows it."""
        migrated.must("migrate", "--check")
        assert "no issues" in migrated.must("check", "--database", "default")
        migrated.migration("less", LESS)
        assert migrated.manage("migrate").returncode == 0
        check = migrated.manage("migrate", "--check")
        assert (check.returncode, "country does not exist" in check.stderr) == (1, True)
        check = migrated.manage("check", "--database", "default", "--fail-level", "WARNING")
        assert (check.returncode, "hotclub.W001" in check.stderr) == (1, True)
        output = migrated.must("shell", "--no-imports", "-c", LOOKED_AT, role=names.ROLE_APP)
        assert "api 200 1 True" in output
        assert "admin 200 True" in output

    def test_a_batch_says_why_and_waits_for_nothing(self, migrated: ForeignProject) -> None:
        """A batch is refused with 409 and the reason; a chunk that was accepted before fails with it at once."""
        migrated.migration("less", LESS)
        assert migrated.manage("migrate").returncode == 0
        output = migrated.must("shell", "--no-imports", "-c", BATCHES, role=names.ROLE_APP)
        assert "refused NoChampionError returned version 1 has no feature view" in output
        assert "chunk ContractError returned version 1 has no feature view" in output
        assert output.count("country does not exist") == 2

    def test_the_column_comes_back(self, migrated: ForeignProject) -> None:
        """The first advice, as printed: a migration restores the column, migrate builds the view and is silent."""
        migrated.migration("less", LESS)
        migrated.must("migrate")
        migrated.migration("again", AGAIN)
        assert migrated.manage("migrate").stderr == ""
        assert "ml_returned_v1" in _views(migrated)
        migrated.must("migrate", "--check")

    def test_it_goes_and_comes_in_one_plan(self, migrated: ForeignProject) -> None:
        """Between two columns of one name the view is gone; at the end it is there, other renames included."""
        _order(migrated)
        migrated.migration("other", f"migrations.RenameField('order', 'total', 'amount'), {LESS}")
        migrated.migration("again", AGAIN)
        assert migrated.manage("migrate").stderr == ""
        assert _row(migrated) == (1.0, "DE", 10.0)

    def test_keep_views_refuses_and_undoes(self, migrated: ForeignProject) -> None:
        """With --keep-views the migration is undone, outside of a transaction too; what loses nothing passes."""
        migrated.migration("less", f"{WIDER}, {LESS}", "atomic = False")
        done = migrated.manage("migrate", "--keep-views")
        assert done.returncode == 1
        assert "is the newest of its model" in done.stderr
        assert "DROP COLUMN" in done.stderr
        assert "ml_returned_v1" in _views(migrated)
        _order(migrated)
        assert _row(migrated) == (1.0, "DE", 10.0)

    def test_a_version_that_nobody_uses_goes_quietly(self, migrated: ForeignProject) -> None:
        """Version 2 reads something else, and version 1 is nobody's: no warning."""
        migrated.write("shop/ml.py", ML.replace('"country": Category("country"),', ""))
        migrated.must("makecontracts")
        migrated.must("migrate")
        assert {"ml_returned_v1", "ml_returned_v2"} <= _views(migrated)
        migrated.migration("less", LESS)
        assert migrated.manage("migrate").stderr == ""
        assert _views(migrated) == {"ml_returned_v2"}

    def test_the_table_goes(self, migrated: ForeignProject) -> None:
        """A whole table is a column too."""
        migrated.migration("none", "migrations.DeleteModel('order')")
        done = migrated.manage("migrate")
        assert done.returncode == 0
        assert 'relation "public.shop_order" does not exist' in done.stderr

    def test_dropped_by_sql_without_cascade(self, migrated: ForeignProject) -> None:
        """SQL that PostgreSQL refuses because of the view works as Django's own does."""
        migrated.migration("less", "migrations.RunSQL('ALTER TABLE shop_order DROP COLUMN country')")
        done = migrated.manage("migrate")
        assert (done.returncode, "country does not exist" in done.stderr) == (0, True)


LOOKED_AT = """
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.create_superuser("a", "a@example.org", "a"))
answer = client.get("/api/v1/contracts/")
problems = answer.json()["results"][0]["view_problems"] if "results" in answer.json() else answer.json()[0]["view_problems"]
print("api", answer.status_code, problems[0]["version"], "country does not exist" in problems[0]["reason"])
answer = client.get("/admin/contracts/contractversion/")
print("admin", answer.status_code, b"country does not exist" in answer.content)
"""
BATCHES = """
from django_app.contracts.view_problems import all_versions
from django_app.registry import selectors as registry
from django_app.scoring.services import chunks

contract = all_versions()[0]
registry.champion = lambda model: registry.ModelVersionRef(None, contract)
for name, call in (("refused", lambda: registry.champion_with_view("returned")),
                   ("chunk", lambda: chunks._rows_out(contract, None, None))):
    try:
        call()
    except Exception as error:
        print(name, type(error).__name__, error)
"""


class TestWhoUsesWhat:
    """The model registry itself is asked."""

    def test_the_advice_works_as_printed(self, migrated: ForeignProject, mlflow_url: str) -> None:
        """The second advice, step by step: ml.py, makecontracts, migrate, a new version gets the alias, migrate again."""
        migrated.environment["MLFLOW"] = mlflow_url
        registry = MlflowRegistry(mlflow_url)
        _register(mlflow_url, migrated, 1)
        registry.set_alias("returned", names.ALIAS_CHAMPION, "1")
        migrated.migration("less", LESS)
        warned = migrated.manage("migrate").stderr
        assert f"This version serves as {names.ALIAS_CHAMPION}." in warned
        for words in (
            "change ml.py",
            "makecontracts and migrate",
            "train",
            "alias champion",
            "migrate again",
        ):
            assert words in warned
        migrated.write("shop/ml.py", ML.replace('"country": Category("country"),', ""))
        migrated.must("makecontracts")
        warned = migrated.manage("migrate").stderr
        assert "returned version 1 has no feature view" in warned  # it still serves
        assert "did not say" not in warned
        assert "ml_returned_v2" in _views(migrated)
        _register(mlflow_url, migrated, 2)
        registry.set_alias("returned", names.ALIAS_CHAMPION, "2")
        registry.close()
        assert migrated.manage("migrate").stderr == ""
        migrated.must("migrate", "--check")

    def test_a_registry_that_is_down_leaves_the_mirror_and_says_so(self, migrated: ForeignProject) -> None:
        """What was mirrored last counts, and the warning says that it may be old."""
        migrated.write("shop/ml.py", ML.replace('"country": Category("country"),', ""))
        migrated.must("makecontracts")
        contract = json.loads((migrated.folder / "shop/contracts/returned/0001.json").read_text())
        with psycopg.connect(migrated.database.url(names.ROLE_APP)) as app:
            app.execute(
                "INSERT INTO registry_modelversion (model_name, version, aliases, run_id, experiment_id, contract_fingerprint,"
                " gates, metrics, description, registered_at, synced_at) VALUES ('returned', 1, '[\"champion\"]', '', '', %s,"
                " '', '{}', '', now(), now())",
                [contract["fingerprint"]],
            )
        migrated.migration("less", LESS)
        done = migrated.manage("migrate")
        assert done.returncode == 0
        assert "returned version 1 has no feature view" in done.stderr
        assert "the model registry did not say" in done.stderr
        assert "MLflow does not answer at http://127.0.0.1:1" in done.stderr


def _register(url: str, project: ForeignProject, version: int) -> None:
    """Register a version of a contract as training does, without a package."""
    contract = json.loads((project.folder / f"shop/contracts/returned/{version:04d}.json").read_text())
    client = httpx.Client(base_url=f"{url}/api/2.0/mlflow")
    client.post(
        "/registered-models/create",
        json={"name": "returned", "tags": [{"key": names.TAG_KIND, "value": "model"}]},
    )
    tags = [{"key": names.TAG_FINGERPRINT, "value": contract["fingerprint"]}]
    body = {"name": "returned", "source": "s3://nowhere/returned", "tags": tags}
    client.post("/model-versions/create", json=body).raise_for_status()
    client.close()


class TestFailures:
    """A migration that fails stays the first error, and nothing is left behind."""

    def test_migration_that_fails_leaves_the_view(self, migrated: ForeignProject) -> None:
        """Undone together with the migration that set the view aside."""
        migrated.migration("breaks", f"{WIDER}, migrations.RunSQL('SELECT 1 / 0')")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "division by zero" in done.stderr.strip().splitlines()[-1]
        assert "ml_returned_v1" in _views(migrated)

    def test_failure_outside_of_a_transaction_leaves_the_view(self, migrated: ForeignProject) -> None:
        """There the type has changed already, and the view stands on it."""
        migrated.migration("breaks", f"{WIDER}, migrations.RunSQL('SELECT 1 / 0')", "atomic = False")
        assert migrated.manage("migrate").returncode == 1
        assert "ml_returned_v1" in _views(migrated)

    def test_failure_after_a_column_went_names_both(self, migrated: ForeignProject) -> None:
        """Where an earlier migration dropped a column, that is reported too."""
        migrated.migration("less", LESS)
        migrated.migration("breaks", "migrations.RunSQL('SELECT 1 / 0')")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "division by zero" in done.stderr.strip().splitlines()[-1]
        assert "returned version 1 has no feature view" in done.stderr

    def test_contract_that_is_not_readable_stops_before_the_first_migration(
        self, migrated: ForeignProject
    ) -> None:
        """What could not be built again is not put at risk."""
        migrated.migration("more", "migrations.AddField('order', 'note', models.TextField(default=''))")
        (migrated.folder / "shop/contracts/returned/0001.json").write_text("{")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "Nothing was migrated" in done.stderr
        assert "ml_returned_v1" in _views(migrated)

    def test_a_view_that_others_made_stays_in_the_way(self, migrated: ForeignProject) -> None:
        """Only feature views are set aside: a view of the project's own is PostgreSQL's to defend."""
        migrated.migration("mine", "migrations.RunSQL('CREATE VIEW mine AS SELECT total FROM shop_order')")
        migrated.must("migrate")
        migrated.migration("wider", WIDER)
        done = migrated.manage("migrate")
        assert (done.returncode, "view mine" in done.stderr) == (1, True)
        assert {"ml_returned_v1"} <= _views(migrated)

    def test_one_app_alone_before_the_contracts_own_tables(self, migrated: ForeignProject) -> None:
        """`migrate shop` on tables of an older Hotclub does its work and says what is open."""
        migrated.must("migrate", "contracts", "zero")
        migrated.migration("wider", WIDER)
        done = migrated.manage("migrate", "shop")
        assert done.returncode == 0
        assert "the tables of the app contracts are not up to date" in done.stderr
        assert migrated.manage("migrate").stderr == ""

    def test_a_database_of_before_the_migrations_began_anew_is_refused(
        self, migrated: ForeignProject
    ) -> None:
        """Its tables have other columns: better no change at all than a stack that fails at each query."""
        migrated.must("migrate", "contracts", "zero")
        with psycopg.connect(migrated.database.url(names.ROLE_MIGRATOR)) as owner:
            owner.execute("CREATE TABLE registry_contractversion (id int)")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert "Use a new database" in done.stderr
        assert "Traceback" not in done.stderr
        assert "contracts_contractversion" not in migrated.must("inspectdb")

    def test_a_contract_that_was_written_anew_gets_its_own_view(self, migrated: ForeignProject) -> None:
        """The same version with another content, as two branches make it: the view follows the file."""
        (migrated.folder / "shop/contracts/returned/0001.json").unlink()
        migrated.write("shop/ml.py", ML.replace('Number("total"', 'Number(F("total") * 2'))
        migrated.must("makecontracts")
        _order(migrated)
        assert "ml_returned_v1" in migrated.must("migrate")
        assert _row(migrated) == (1.0, "DE", 20.0)


class TestRights:
    """What counts is what a role may do in this database."""

    def test_roles_of_another_database_do_not_matter(
        self, tmp_path: Path, provision: Callable[[str], Database], postgres_admin_url: str
    ) -> None:
        """Two databases on one server: Hotclub's roles are there from the first, the second has a single login."""
        first = provision("foreign_first")
        with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
            admin.execute("CREATE ROLE shopkeeper LOGIN PASSWORD 'shop'")
            admin.execute(f"GRANT {names.ROLE_VIEWS}, {names.ROLE_OWNER} TO shopkeeper")
            admin.execute("CREATE DATABASE foreign_second OWNER shopkeeper")
        second = Database(postgres_admin_url, "foreign_second", {"shopkeeper": "shop"})
        try:
            project = make_foreign_project(tmp_path, second, role="shopkeeper")
            project.must("makecontracts", role="shopkeeper")
            assert project.manage("migrate", role="shopkeeper").stderr == ""
            project.migration("wider", WIDER)
            assert project.manage("migrate", role="shopkeeper").stderr == ""
            with psycopg.connect(second.url("shopkeeper")) as own:
                found = own.execute("SELECT viewowner FROM pg_views WHERE schemaname = 'features'").fetchall()
                assert found == [("shopkeeper",)]
        finally:
            with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
                admin.execute("DROP DATABASE foreign_second WITH (FORCE)")
                admin.execute("DROP ROLE shopkeeper")
                admin.execute(f"DROP DATABASE {first.name} WITH (FORCE)")

    def test_a_login_without_rights_is_told_which(
        self, migrated: ForeignProject, postgres_admin_url: str
    ) -> None:
        """Where nobody may make views the setup is wrong, not a version: migrate fails with the grant that helps."""
        with psycopg.connect(
            database_roles.database_url(postgres_admin_url, migrated.database.name)
        ) as admin:
            admin.execute("DROP VIEW features.ml_returned_v1")
            admin.execute(f"ALTER SCHEMA features OWNER TO {names.ROLE_STAGER}")
            admin.execute(f"REVOKE ALL ON SCHEMA features FROM {names.ROLE_VIEWS}, {names.ROLE_OWNER}")
        done = migrated.manage("migrate")
        assert done.returncode == 1
        assert (
            f"may not make views in the schema features of the database {migrated.database.name}"
            in done.stderr
        )
        assert "GRANT USAGE, CREATE ON SCHEMA features" in done.stderr
