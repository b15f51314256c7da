"""Every variable is explained, and none that is explained is read by nobody."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic_settings import BaseSettings

from hotclub import contract_files, names
from stack import settings
from stack.errors import StackError
from stack.settings import ROOT, Settings, given, passed_on

PARTS = ("stack", "django_app", "dags", "data_checks", "training", "serving")
VARIABLE = re.compile(r"HOTCLUB_[A-Z][A-Z_]*[A-Z]")


def settings_classes() -> list[type[BaseSettings]]:
    """Return the settings classes of every part, found by their files' names."""
    found: list[type[BaseSettings]] = []
    for part in PARTS:
        for path in sorted((ROOT / part).rglob("*.py")):
            if path.stem in {"settings", "environment"} and "BaseSettings" in path.read_text():
                module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                found += [
                    value
                    for value in vars(module).values()
                    if isinstance(value, type)
                    and issubclass(value, BaseSettings)
                    and value.__module__ == module.__name__
                ]
    return found


def documented() -> set[str]:
    """Return the variables of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {match.group() for line in lines if (match := VARIABLE.match(line.lstrip("#")))}


def test_the_classes_of_the_parts_are_found() -> None:
    """The search below sees more than the launcher's own class."""
    assert {c.__module__.split(".")[0] for c in settings_classes()} >= {"stack", "django_app", "training"}


def test_env_example_has_every_variable_that_a_part_reads() -> None:
    """A field of a settings class that .env.example lacks fails here."""
    read = {
        f"{cls.model_config.get('env_prefix', '')}{name}".upper()
        for cls in settings_classes()
        for name in cls.model_fields
    }
    assert read - documented() == set()


def test_env_example_has_no_variable_that_nobody_reads() -> None:
    """A variable that was renamed or removed does not stay behind."""
    fields = {f"HOTCLUB_{name}".upper() for cls in settings_classes() for name in cls.model_fields}
    named = {
        match
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
        for match in VARIABLE.findall(path.read_text())
    }
    assert documented() - fields - named == set()


def test_every_variable_of_env_example_has_a_comment_above() -> None:
    """No variable without a word of explanation; those that belong together may share one."""
    explained = False
    for line in (ROOT / ".env.example").read_text().splitlines():
        if line.startswith("# "):
            explained = True
        elif not line.strip():
            explained = False
        else:
            assert explained, line


def test_a_wrong_value_is_named_with_its_variable() -> None:
    """The message names the variable as the user wrote it, and says when nobody wrote it now."""
    with pytest.raises(StackError, match="HOTCLUB_PORT_SHIFT: Input should be a valid integer"):
        settings.load({"HOTCLUB_PORT_SHIFT": "many"})
    with pytest.raises(StackError, match=r"HOTCLUB_PORT_SHIFT \(remembered from the last start\): "):
        settings.load({"HOTCLUB_PORT_SHIFT": "many"}, {"HOTCLUB_PORT_SHIFT"})


def test_the_environment_is_asked_for_nothing_but_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of the stack has in its environment is no setting of the launcher."""
    monkeypatch.setenv("HOTCLUB_APPS", "from.the.shell")
    assert settings.load({}).apps == ""


def test_a_variable_of_the_environment_wins_over_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is set to nothing does not count, wherever it is; lower case is pydantic's way too."""
    (tmp_path / ".env").write_text(
        "HOTCLUB_APPS=shop\nHOTCLUB_DEMO=\nHOTCLUB_WORKER_CONCURRENCY=3\nOTHER=1\n"
    )
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    found = settings.given({"HOTCLUB_APPS": "", "hotclub_worker_concurrency": "4", "PATH": "/bin"})
    assert {name: (g.value, g.source) for name, g in found.items()} == {
        "HOTCLUB_APPS": ("shop", ".env"),
        "HOTCLUB_WORKER_CONCURRENCY": ("4", "the environment"),
    }


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("HOTCLUB_APP", "HOTCLUB_APPS"),
        ("HOTCLUB_DEMOS", "HOTCLUB_DEMO"),
        ("HOTCLUB_PORTSHIFT", "HOTCLUB_PORT_SHIFT"),
        ("HOTCLUB_POSTGRESS_URL", "HOTCLUB_POSTGRES_URL"),
        ("HOTCLUB_TRAINING_THREAD", "HOTCLUB_TRAINING_THREADS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_right_name(misspelt: str, meant: str) -> None:
    """`HOTCLUB_APP=shop make up` would start the example instead of the shop."""
    with pytest.raises(
        StackError, match=rf"{misspelt}, set in the environment, is read by nobody; {meant} is"
    ):
        settings.given({misspelt: "1"})


def test_a_variable_of_somebody_elses_code_is_let_through() -> None:
    """Only what looks like one of ours is refused; what is ours, launched parts' too, is not."""
    ours = {"HOTCLUB_SHOP_REGION": "eu", "HOTCLUB_RESULT_FILE": "x", "HOTCLUB_TRAINING_THREADS": "1"}
    assert settings.given({**ours, "HOTCLUB_TEST_BROWSER": "1", "HOTCLUB_STACK": "x"}).keys() == ours.keys()


@pytest.mark.parametrize(
    "app", ["no_such_app", ".shop", "shop.", "hotclub.names", "pytest.no.such", "shop app"]
)
def test_an_app_that_is_no_package_is_refused(app: str) -> None:
    """Whatever its name looks like, with the command that installs it."""
    with pytest.raises(StackError, match="not a package of this environment") as caught:
        Settings(_env_file=None, apps=app).contract_folders()
    assert "pip install" in caught.value.fix


def test_the_folder_of_an_app_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install may name a path hook, and a namespace package several places, some of them gone."""
    found = SimpleNamespace(
        submodule_search_locations=["__editable__.shop.finder.__path_hook__", "/gone/shop", str(tmp_path)]
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: found)
    assert settings.folder_of_app("shop") == tmp_path
    found.submodule_search_locations.pop()
    with pytest.raises(StackError, match="which is not a package"):
        settings.folder_of_app("shop")


def test_home_is_relative_to_the_repository(settings: Settings) -> None:
    """Wherever `make` is called from, the state is in one place."""
    assert settings.model_copy().home.is_absolute()
    assert Settings(home=Path("var")).home == ROOT / "var"


def test_a_home_of_no_user_is_refused() -> None:
    """The shell leaves ``~name`` as it is where it knows no such user."""
    with pytest.raises(StackError, match="HOTCLUB_HOME: ~nosuchuser/x begins with ~ and the name of no user"):
        settings.load({"HOTCLUB_HOME": "~nosuchuser/x"})


def test_a_variable_of_blanks_counts_as_not_set(settings: Settings) -> None:
    """A folder whose name is a blank is nobody's wish."""
    del settings  # the fixture keeps .env out
    assert given({"HOTCLUB_HOME": "  ", "HOTCLUB_APPS": ""}) == {}


def test_variables_of_single_services_are_passed_on_but_no_secrets() -> None:
    """A part's own knob reaches it; a password in the shell reaches no service."""
    environ = {
        "HOTCLUB_TRAINING_THREADS": "1",
        "HOTCLUB_DATABASE_URL": "postgresql://somewhere",
        "HOTCLUB_ADMIN_PASSWORD": "x",
        "HOTCLUB_PORT_SHIFT": "7",
        "PATH": "/bin",
    }
    found = passed_on({name: value.value for name, value in settings.given(environ).items()})
    assert found.get("HOTCLUB_TRAINING_THREADS") == "1"
    assert not {"HOTCLUB_DATABASE_URL", "HOTCLUB_ADMIN_PASSWORD", "HOTCLUB_PORT_SHIFT", "PATH"} & set(found)


def test_contract_folders_are_those_of_the_declaring_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the launcher writes, `contract_files.folders` reads; a value that was set is passed on as it is."""
    monkeypatch.delenv(names.VARIABLE_CONTRACTS, raising=False)
    found = Settings(_env_file=None, apps="training").contract_folders()
    folders = contract_files.folders({names.VARIABLE_CONTRACTS: found})
    assert folders == [ROOT / "django_app" / "flights" / "contracts", ROOT / "training" / "contracts"]
    assert Settings(_env_file=None, contracts="/a").contract_folders() == "/a"
