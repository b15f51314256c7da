"""A stranger's models, from `startml` to a promoted, scored and answering version, through the real services.

Three tables that the example does not have: rows without a time, texts as label and sorted by it, and tenants with UUID
keys that are delivered as files.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from hotclub import names
from tests.live import LiveStack, live_stack, wait_until

_APPS: Final = ("penguins", "diabetes", "nations")
#: What a person may have to write beside the models.
_MAX_LINES: Final = 60
#: From the first command to the answer.
_MAX_MINUTES: Final = 30

Tell = Callable[[str], None]


@dataclass
class Project:
    """A stack with one's own apps, where nothing of the example runs."""

    live: LiveStack
    deliveries: Path

    def start(self, *words: str) -> str:
        """Run startml and return the class's file."""
        return self.live.must("manage", "startml", *words)

    def edit(self, app: str, old: str, new: str) -> None:
        """Change what startml wrote, as its reader would."""
        file = self.live.folder / app / "ml.py"
        text = file.read_text()
        assert text.count(old) == 1, text
        file.write_text(text.replace(old, new))

    def lines(self, app: str) -> int:
        """Count the lines that ml.py has without blank ones and comments."""
        lines = (self.live.folder / app / "ml.py").read_text().splitlines()
        return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)

    def publish(self, model: str) -> None:
        """Compile the declaration and build its view."""
        assert f"{model} version 1: new" in self.live.must("manage", "makecontracts")
        assert f"ml_{model}_v1" in self.live.must("manage", "migrate")

    def promote(self, model: str) -> dict[str, Any]:
        """Train through the DAG and promote; return the evaluation of the version."""
        dag_id = names.train_dag_id(model)
        wait_until(f"the DAG {dag_id}", lambda: self.live.airflow.has_dag(dag_id), 120, every=1)
        version = self.live.train(model, "first")
        registered = self.live.registry.version(model, version)
        assert registered.tags[names.TAG_GATES] == names.GATES_PASSED, registered.tags
        self.live.registry.set_alias(model, names.ALIAS_CHAMPION, version)
        wait_until(f"{model} to serve", lambda: self._serves(model), 60)
        return registered.tags

    def _serves(self, model: str) -> bool:
        found = self.live.endpoint.get("/models").json()["models"]
        return any(m["name"] == model and m["version"] == "1" for m in found)

    def ask(self, model: str, body: dict[str, Any]) -> list[Any]:
        """Return the endpoint's predictions."""
        answer = self.live.endpoint.post(f"/models/{model}/predict", json=body)
        assert answer.status_code == 200, answer.text
        predictions: list[Any] = answer.json()["predictions"]
        return predictions

    def results(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return a batch's results by entity."""
        return {row["entity"]: row for row in self.live.pages(f"/batches/{batch['id']}/results/")}


def _own_apps(live: LiveStack) -> None:
    for app in _APPS:
        shutil.copytree(Path(__file__).parent / "own_data" / app, live.folder / app)


@pytest.fixture(scope="module")
def project(services: None) -> Iterator[Project]:
    """The stack with the three apps, their tables and rows, before any ml.py."""
    with live_stack(_own_apps, {"HOTCLUB_DEMO": "0", "HOTCLUB_APPS": ",".join(_APPS)}) as live:
        found = Project(live, live.folder / "var" / "own-deliveries")
        live.must("manage", "makemigrations", *_APPS)
        live.must("manage", "migrate")
        live.must("manage", "load_penguins")
        live.must("manage", "load_patients")
        live.must("manage", "load_censuses", str(found.deliveries))
        yield found


@pytest.fixture
def watch(project: Project, tell: Tell, request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Say how long a model took from its first command to its answer, and how many lines were written."""
    started = time.monotonic()
    apps: list[str] = []
    yield apps.append
    minutes = (time.monotonic() - started) / 60
    lines = {app: project.lines(app) for app in apps}
    tell(f"{request.node.name:<40} {minutes:.1f} min, lines: {lines}")
    assert minutes < _MAX_MINUTES
    assert all(count <= _MAX_LINES for count in lines.values())


def test_rows_without_a_time(project: Project, watch: Callable[[str], None]) -> None:
    """Patients: a regression; scored whole and by key, and no DAG that would need a day."""
    watch("diabetes")
    project.start("diabetes.Patient")
    project.edit("diabetes", 'metric = "rmse"', 'metric = "rmse"\n    gates = {"rmse": 75.0, "r2": 0.2}')
    project.publish("patient_progression")
    project.promote("patient_progression")

    batch = project.live.batch(model="patient_progression", all=True)
    assert (batch["status"], batch["rows_total"], batch["rows_done"]) == ("done", 442, 442), batch
    scores = project.results(batch)
    assert {row["event_time"] for row in scores.values()} == {None}
    asked = project.ask("patient_progression", {"entities": [7, 11]})
    assert asked == pytest.approx([scores["7"]["score"], scores["11"]["score"]], rel=1e-6)
    some = project.live.batch(model="patient_progression", entities=[7, 11, 999_999])
    assert (some["status"], some["rows_done"]) == ("done", 2), some
    assert "1" in some["summary"], some
    assert project.live.airflow.has_dag(names.score_dag_id("patient_progression"))
    assert not project.live.airflow.has_dag(names.replay_dag_id("patient_progression"))


def test_texts_as_label_sorted_by_it(project: Project, watch: Callable[[str], None]) -> None:
    """Penguins in one bulk load, sorted by species: evaluated right, and answered by name."""
    watch("penguins")
    project.start("penguins.Penguin")
    project.edit("penguins", 'metric = "log_loss"', 'metric = "log_loss"\n    gates = {"accuracy": 0.95}')
    project.publish("penguin_species")
    project.promote("penguin_species")  # whose gate is passed

    one = {
        "island": "Torgersen",
        "bill_length": 39.1,
        "bill_depth": 18.7,
        "flipper_length": 181,
        "body_mass": 3750,
        "sex": "male",
    }
    (answer,) = project.ask("penguin_species", {"instances": [one]})
    assert answer["label"] == "Adelie"
    assert set(answer["probabilities"]) == {"Adelie", "Chinstrap", "Gentoo"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    batch = project.live.batch(model="penguin_species", all=True)
    assert (batch["status"], batch["rows_done"]) == ("done", 344), batch
    labels = [row["label"] for row in project.results(batch).values()]
    assert {"Adelie", "Chinstrap", "Gentoo"} == set(labels)


SOURCE = '''

class NewestCensus(Source):
    """What a continent delivers every five years."""

    model = Census
    natural_key = ("country", "taken_on")
    tenant = "continent"
    columns = {
        "continent": "continent",
        "country": "country",
        "taken_on": "taken_on",
        "population": "population",
        "income": "income",
    }
'''


def test_tenants_with_uuid_keys_and_deliveries(project: Project, watch: Callable[[str], None]) -> None:
    """Countries: the newest census is delivered by each continent, loaded as new rows, and scored by itself."""
    watch("nations")
    project.start("nations.Census", "--label", "life_expectancy", "--time", "taken_on")
    project.edit(
        "nations",
        'metric = "rmse"',
        'metric = "rmse"\n    gates = {"rmse": 10.0}\n    score_on = "newest_census"',
    )
    file = project.live.folder / "nations" / "ml.py"
    file.write_text(file.read_text().replace("import Category", "import Source, Category") + SOURCE)
    project.publish("census_life_expectancy")
    project.promote("census_life_expectancy")

    for landed in sorted(project.deliveries.glob("*.csv")):
        folder = project.live.home / "landing" / "newest_census" / landed.stem
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(landed, folder / "2007-07-01.csv")
    loaded = wait_until("the deliveries", lambda: _all_loaded(project), 240, every=1)
    assert {(d["tenant"], d["rows_loaded"]) for d in loaded} == {
        ("africa", 52), ("americas", 25), ("asia", 33), ("europe", 30), ("oceania", 2),
    }  # fmt: skip
    batches = wait_until("their batches", lambda: _all_scored(project), 240, every=1)
    europe = next(b for b in batches if b["tenant"] == "europe")
    scores = project.results(europe)
    assert len(scores) == 30
    entity, row = next(iter(scores.items()))
    assert project.ask("census_life_expectancy", {"entities": [entity]}) == pytest.approx(
        [row["score"]], rel=1e-6
    )


def _all_loaded(project: Project) -> list[dict[str, Any]] | None:
    found = [d for d in project.live.pages("/deliveries/") if d["source"] == "newest_census"]
    assert not any(d["status"] in ("rejected", "failed") for d in found), found
    return found if len(found) == 5 and all(d["status"] == "loaded" for d in found) else None


def _all_scored(project: Project) -> list[dict[str, Any]] | None:
    found = [b for b in project.live.pages("/batches/") if b["model"] == "census_life_expectancy"]
    assert not any(b["status"] == "failed" for b in found), found
    return found if len(found) == 5 and all(b["status"] == "done" for b in found) else None
