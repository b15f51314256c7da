"""``trainml`` and ``inspectml`` in a stranger's project that has a database and nothing else."""

from __future__ import annotations

import html.parser
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from psycopg.conninfo import conninfo_to_dict

from django_app.contracts import training_process
from hotclub import names
from hotclub.errors import HotclubError
from stack import database_roles
from tests.conftest import ROOT, Database
from tests.django_app.foreign import ML, SHOP, ForeignProject, make_foreign_project

pytestmark = pytest.mark.integration
ROWS = 4000
#: Without REST framework, Celery, tenants or a setting of Hotclub: what a stranger has who only wants to look.
BARE = """
import os
from psycopg.conninfo import conninfo_to_dict
parts = conninfo_to_dict(os.environ["DATABASE"])
SECRET_KEY = "a stranger's"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "people", "shop", "django_app.contracts"]
AUTH_USER_MODEL = "people.Person"
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": parts["dbname"], "USER": parts["user"],
    "PASSWORD": parts["password"], "HOST": parts["host"],
    "OPTIONS": {"assume_role": "hotclub_owner"} if parts["user"] == "hotclub_migrator" else {},
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MORE = '''

class Spending(MLModel):
    """What is an order worth?"""

    rows = Order.objects.all()
    event_time = None
    label = "total"
    task = "regression"
    metric = "rmse"
    gates = {"rmse": 1000.0}
    features = {"country": Category("country"), "number": Number("number")}


class Leaking(MLModel):
    rows = Order.objects.all()
    event_time = None
    label = "total"
    task = "regression"
    metric = "rmse"
    features = {"country": Category("country"), "double": Number(F("total") * 2)}
'''
INSERT = """
INSERT INTO shop_order (number, placed_at, country, total, paid_on, returned)
SELECT n, timestamptz '2024-01-01Z' + n * interval '2 hours', CASE n WHEN 5 THEN '<b>rare</b>' WHEN 3999 THEN 'new <i>' ELSE (array['DE', 'FR', 'IT', 'é'])[1 + n %% 4] END,
    10 + n %% 37 + 20 * (n %% 4), NULLIF(date '2024-01-01' + n / 12, date '2024-02-01'),
    CASE WHEN n %% 50 = 0 THEN NULL ELSE (n * 7919 %% 100) < 10 + 20 * (n %% 4) END
FROM generate_series(1, %s) AS t (n)
"""


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, provision: Callable[[str], Database]
) -> Iterator[ForeignProject]:
    """A project with tables and rows, without a contract file and without a view."""
    database = provision("foreign_laptop")
    project = make_foreign_project(
        tmp_path_factory.mktemp("shop"),
        database,
        shop=SHOP.replace("max_length=2", "max_length=30"),
        ml=ML + MORE,
    )
    project.must("migrate")
    with psycopg.connect(database.url(names.ROLE_APP)) as connection:
        connection.execute(INSERT, [ROWS])
    project.write("settings.py", BARE)
    yield project
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


def _views(project: ForeignProject) -> list[str]:
    url = database_roles.database_url(project.database.admin_url, project.database.name)
    with psycopg.connect(url) as connection:
        return [
            name for (name,) in connection.execute("SELECT viewname FROM pg_views WHERE viewname LIKE 'ml_%'")
        ]


@pytest.mark.parametrize("role", [names.ROLE_APP, names.ROLE_MIGRATOR])
def test_trains_with_nothing_but_a_database(shop: ForeignProject, role: str) -> None:
    """Description, baselines, gates and what comes next; no file is left in the project."""
    before = {path for path in shop.folder.rglob("*") if "__pycache__" not in path.parts}
    said = shop.must("trainml", "spending", role=role)
    assert "What is an order worth?" in said
    assert "held out" in said
    assert "by a hash of their key" in said
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("  this version")] == [
        ["this", "version"]
    ]
    assert "  constant " in said
    assert "✓ rmse" in said
    assert "Most used features, by share of the gain: country" in said
    assert "Next: run makecontracts and migrate" in said
    assert {path for path in shop.folder.rglob("*") if "__pycache__" not in path.parts} == before
    assert _views(shop) == []


def test_no_gates_are_not_called_passed(shop: ForeignProject) -> None:
    """What is missing is said, with the value to compare with."""
    said = shop.must("trainml", "returned", "--sample", "2000", role=names.ROLE_APP)
    assert "Gates: none declared" in said
    assert "passed" not in said.lower()
    assert 'Declare what it must reach, such as gates = {"roc_auc": ...}' in said


def test_kept_where_asked_for(shop: ForeignProject, tmp_path: Path) -> None:
    """Snapshot, package and plots stay in a folder that is given; a sample is about as large as asked."""
    said = shop.must(
        "trainml", "spending", "--sample", "1000", "--folder", str(tmp_path), role=names.ROLE_APP
    )
    (folder,) = (tmp_path / "spending").iterdir()
    assert f"Kept in {folder}" in said
    assert {"snapshot.parquet", "description.md", "evaluation.json", "importance.png", "package"} <= {
        path.name for path in folder.iterdir()
    }
    facts = json.loads((folder / "snapshot.json").read_text())
    assert facts["rows"] == pytest.approx(1000, rel=0.15)
    assert (facts["sample"], facts["from_declaration"]) == (1000, True)


def test_refused_rows_end_the_command(shop: ForeignProject) -> None:
    """With the reason as its error, once, and the program's own exit code."""
    done = shop.manage("trainml", "leaking", role=names.ROLE_APP)
    assert done.returncode == 3
    assert done.stderr.count("CommandError: features look as if they knew the label: double") == 1
    assert 'leakage_accepted = {"double": "..."}' in done.stderr
    assert "Traceback" not in done.stderr
    assert "Next" not in done.stdout


class _Page(html.parser.HTMLParser):
    """What a page loads, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and what it loads."""
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_inspects_into_tables_and_a_page(shop: ForeignProject, tmp_path: Path) -> None:
    """Rows, span, label, nulls, categories, leakage and splits; the page loads nothing and escapes what is in the data."""
    said = shop.must("inspectml", "returned", "--html", str(tmp_path / "page.html"), role=names.ROLE_APP)
    assert f"returned (binary): {ROWS:,} rows, {ROWS - ROWS // 50:,} with a label" in said
    for words in (
        "event times from 2024-01-01",
        "roc_auc alone",
        "warning: known is constant: True",
        "Splits, by placed_at",
    ):
        assert words in said
    text = (tmp_path / "page.html").read_text()
    page = _Page()
    page.feed(text)
    assert "b" not in page.tags
    assert "i" not in page.tags
    assert ">1 (1 rows: &lt;b&gt;rare&lt;/b&gt;)<" in text
    assert ">1 (1 rows: new &lt;i&gt;)<" in text
    assert page.sources == []
    assert "script" not in page.tags
    assert "http" not in text.replace("http-equiv", "")


def test_inspects_into_json(shop: ForeignProject) -> None:
    """For a program: everything that the tables say. What training would refuse is said, and nothing stops."""
    found = json.loads(shop.must("inspectml", "leaking", "--json", role=names.ROLE_APP))
    assert (found["rows"], found["labelled"], found["first_event"]) == (ROWS, ROWS, None)
    assert [(f["feature"], f["severity"]) for f in found["findings"]] == [("double", "critical")]
    assert sum(split["rows"] for split in found["splits"].values()) == ROWS
    said = shop.must("inspectml", "leaking", role=names.ROLE_APP)
    assert "critical: double" in said


def test_unknown_name_lists_the_known(shop: ForeignProject) -> None:
    """In both commands."""
    for command in ("trainml", "inspectml"):
        done = shop.manage(command, "retourned", role=names.ROLE_APP)
        assert done.returncode == 1
        assert "no model named 'retourned' is declared; there are: leaking, returned, spending" in done.stderr


@pytest.mark.parametrize("value", ["none", "0", "-1", "1.5"])
def test_a_sample_that_is_no_number(shop: ForeignProject, value: str) -> None:
    """Usage, with what was given."""
    done = shop.manage("trainml", "spending", f"--sample={value}", role=names.ROLE_APP)
    assert done.returncode == 2
    assert f"argument --sample: '{value}' is not a whole number of at least 1" in done.stderr


def test_a_declaration_that_does_not_compile(tmp_path: Path, shop: ForeignProject) -> None:
    """The compiler's words, no traceback, and nothing is started."""
    other = ForeignProject(tmp_path, shop.database)
    for path in shop.folder.rglob("*.py"):
        other.write(str(path.relative_to(shop.folder)), path.read_text())
    other.write(
        "shop/ml.py",
        (ML + MORE).replace(
            '"country": Category("country"), "number"', '"country": Category("land"), "number"'
        ),
    )
    done = other.manage("trainml", "spending", role=names.ROLE_APP)
    assert done.returncode == 1
    assert "shop.ml.Spending" in done.stderr
    assert "land" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_packages_name_the_extra(tmp_path: Path, shop: ForeignProject) -> None:
    """Before anything is read."""
    other = ForeignProject(tmp_path, shop.database)
    for path in shop.folder.rglob("*.py"):
        other.write(str(path.relative_to(shop.folder)), path.read_text())
    other.write("settings.py", BARE + 'import sys\nsys.modules["sklearn"] = None\n')
    done = other.manage("inspectml", "spending", role=names.ROLE_APP)
    assert done.returncode == 1
    assert (
        "training needs packages that are not installed (sklearn): install the extra with `pip install 'hotclub[training]'`"
        in done.stderr
    )


def test_a_folder_of_the_project_named_training_is_not_the_program(
    tmp_path: Path, shop: ForeignProject
) -> None:
    """A stranger's own package of that name is in nobody's way."""
    other = ForeignProject(tmp_path, shop.database)
    for path in shop.folder.rglob("*.py"):
        other.write(str(path.relative_to(shop.folder)), path.read_text())
    other.write("training/__init__.py", "raise SystemExit('the stranger')")
    other.write("training/__main__.py", "raise SystemExit('the stranger')")
    assert "spending (regression)" in other.must(
        "inspectml", "spending", "--sample", "500", role=names.ROLE_APP
    )


@pytest.mark.parametrize(
    ("number", "code", "left"), [(signal.SIGINT, None, 0), (signal.SIGTERM, 143, 0), (signal.SIGKILL, -9, 1)]
)
def test_the_program_ends_with_the_command(
    shop: ForeignProject, tmp_path: Path, number: signal.Signals, code: int | None, left: int
) -> None:
    """A signal to the command alone ends what it started too, and deletes the rows where the signal lets it."""
    lock = psycopg.connect(database_roles.database_url(shop.database.admin_url, shop.database.name))
    lock.execute("LOCK TABLE shop_order IN ACCESS EXCLUSIVE MODE")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(shop.folder), str(ROOT)]),
        "DATABASE": shop.database.url(names.ROLE_APP),
        "TMPDIR": str(tmp_path),
    }
    command = subprocess.Popen(
        [sys.executable, "-m", "django", "trainml", "spending"],
        cwd=shop.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        child = _wait(lambda: _child(command.pid))
        _wait(lambda: _waiting(shop.database))
        command.send_signal(number)
        ended = command.wait(20)
        assert code is None or ended == code
        _wait(lambda: not Path(f"/proc/{child}").exists())
        assert len(list(tmp_path.iterdir())) == left
    finally:
        lock.close()
        command.kill()
        command.communicate()


def _child(pid: int) -> int | None:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    named = [int(c) for c in found if b"training" in Path(f"/proc/{c}/cmdline").read_bytes()]
    return named[0] if named else None


def _waiting(database: Database) -> bool:
    with psycopg.connect(database.admin_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hotclub training' AND wait_event_type = 'Lock'"
        ).fetchone()
    return bool(row and row[0])


def _wait(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.1)
    pytest.fail("waited for 30 seconds")


class TestConnection:
    """Django's settings as libpq reads them."""

    def _url(self, **changes: Any) -> dict[str, Any]:
        connection = connections.create_connection("default")
        base = {"NAME": "shop", "USER": "", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": {}}
        connection.settings_dict = {**connection.settings_dict, **base, **changes}
        return conninfo_to_dict(training_process.database_url(connection))

    def test_each_kind_of_setting(self) -> None:
        """Socket folders, TLS, a password with every sign, options and a role."""
        found = self._url(
            USER="a b", PASSWORD="p'\\ =%s@/é", HOST="/run/my socket", PORT=5433,
            OPTIONS={
                "sslmode": "verify-full", "sslrootcert": "/a b.pem", "options": "-c statement_timeout=9000",
                "assume_role": "the owner", "pool": True, "server_side_binding": True, "isolation_level": 4,
            },
        )  # fmt: skip
        assert found == {
            "dbname": "shop", "user": "a b", "password": "p'\\ =%s@/é", "host": "/run/my socket", "port": "5433",
            "sslmode": "verify-full", "sslrootcert": "/a b.pem", "client_encoding": "UTF8",
            "options": "-c statement_timeout=9000 -c role=the\\ owner",
        }  # fmt: skip

    def test_a_service(self) -> None:
        """The service file says the rest."""
        found = self._url(NAME="", OPTIONS={"service": "mine", "passfile": "/p"})
        assert found == {"service": "mine", "passfile": "/p", "client_encoding": "UTF8"}

    def test_no_database(self) -> None:
        """Named with its alias."""
        with pytest.raises(HotclubError, match=r"DATABASES\['default'\]: settings.DATABASES is improperly"):
            self._url(NAME="")

    def test_another_vendor(self) -> None:
        """Views are PostgreSQL's."""
        connection = connections.create_connection("default")
        connection.vendor = "sqlite"
        with pytest.raises(
            HotclubError, match=r"DATABASES\['default'\] is sqlite: feature views are PostgreSQL's"
        ):
            training_process.database_url(connection)
