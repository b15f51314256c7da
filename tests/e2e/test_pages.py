"""The pages that people open, in a real browser: something on them, no error, no empty column."""

from __future__ import annotations

import pytest

from stack import secrets
from tests.e2e.browser import Browser
from tests.live import LiveStack

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

#: Lists of the admin, with how many rows there are at least after the first day.
LISTS = {
    "ingest/delivery": 6,
    "ingest/checkrun": 6,
    "scoring/batch": 6,
    "contracts/contractversion": 4,
    "registry/modelversion": 2,
    "registry/promotion": 2,
    "tenants/tenant": 3,
    "flights/flight": 50,
}

#: Columns that hold nothing until more has happened: a first promotion comes from no version. Tests run in
#: any order, so whether a model was promoted again before this one is not known here.
EMPTY_AT_FIRST = {("registry/promotion", "from version")}


@pytest.mark.parametrize("name", LISTS)
def test_admin_list(live: LiveStack, browser: Browser, name: str) -> None:
    """The list has its rows, no column is empty on every row, and nothing failed on the way."""
    url = live.url("django")
    browser.log_in(url, secrets.ADMIN_USERNAME, live.stack.secrets.admin_password)
    browser.page.goto(f"{url}/admin/{name}/")
    browser.shot("admin-" + name.replace("/", "-"))
    table = browser.page.locator("#result_list")
    rows = table.locator("tbody tr").filter(has=browser.page.locator("td"))
    assert rows.count() >= LISTS[name]
    cells = [
        [" ".join(c.inner_text().split()) for c in row.locator("th, td").all()] for row in rows.all()[:20]
    ]
    heads = table.locator("thead th").count()
    # The first column has the box to tick rows, where there is one.
    columns = list(zip(*cells, strict=False))[:heads]
    filled = [any(cell not in ("", "-", "None") for cell in column) for column in columns]
    boxes = [
        table.locator("tbody tr").first.locator("th, td").nth(i).locator("input").count() > 0
        for i in range(len(columns))
    ]
    names = [" ".join(head.inner_text().split()).casefold() for head in table.locator("thead th").all()]
    empty = [
        head
        for head, full, box in zip(names, filled, boxes, strict=True)
        if not full and not box and (name, head) not in EMPTY_AT_FIRST
    ]
    assert empty == [], f"empty columns {empty} of {cells[0]}"
    assert browser.page.locator(".errornote").count() == 0
    assert browser.problems == []


def test_data_owner_sees_one_tenant(live: LiveStack, browser: Browser) -> None:
    """The data owner of EWR sees EWR's deliveries, and none of the others'."""
    url = live.url("django")
    browser.log_in(url, secrets.OWNER_USERNAME, live.stack.secrets.owner_password)
    browser.page.goto(f"{url}/admin/ingest/delivery/")
    browser.shot("admin-deliveries-of-the-data-owner")
    text = browser.page.locator("#result_list").inner_text()
    assert "EWR" in text
    assert "JFK" not in text
    assert browser.problems == []


def test_airflow_lists_the_dags(live: LiveStack, browser: Browser) -> None:
    """Airflow's page has the DAGs of every contract, and no import error."""
    page = browser.page
    page.goto(f"{live.url('airflow')}/auth/login/")
    page.locator("input[name=username]").fill(secrets.ADMIN_USERNAME)
    page.locator("input[name=password]").fill(live.stack.secrets.admin_password)
    page.locator("input[name=password]").press("Enter")
    # The form answers with a page that goes on by itself: a person waits for it too.
    page.get_by_text("Dags", exact=True).first.wait_for()
    page.goto(f"{live.url('airflow')}/dags")
    page.get_by_text("arrival_delay.score").first.wait_for()
    browser.shot("airflow-dags")
    text = page.locator("body").inner_text()
    for dag in (
        "arrival_delay.train",
        "arrival_minutes.replay",
        "flight_schedule.ingest",
        "flight_outcome.ingest",
    ):
        assert dag in text
    assert "Import Error" not in text
    assert live.airflow.import_errors() == []


@pytest.mark.parametrize(
    ("service", "path", "words"),
    [
        ("serving", "/docs", "/v1/models/arrival_delay/predict"),
        ("django", "/api/docs/", "/api/v1/prediction-requests/"),
    ],
)
def test_api_docs_are_drawn_without_the_internet(
    live: LiveStack, browser: Browser, service: str, path: str, words: str
) -> None:
    """The docs pages show their endpoints from what is installed: no script comes from another machine."""
    page = browser.page
    foreign: list[str] = []
    page.on(
        "request",
        lambda r: (
            foreign.append(r.url) if not r.url.startswith(("http://127.0.0.1", "data:", "blob:")) else None
        ),
    )
    if service == "django":
        browser.log_in(live.url("django"), secrets.ADMIN_USERNAME, live.stack.secrets.admin_password)
    page.goto(live.url(service) + path)
    page.get_by_text(words, exact=False).first.wait_for()
    browser.shot(f"docs-{service}")
    assert foreign == []
    assert browser.problems == []


def test_model_page_in_mlflow(live: LiveStack, browser: Browser) -> None:
    """A version's page has the description that a person reads before promoting."""
    page = browser.page
    page.goto(f"{live.url('mlflow')}/#/models/arrival_delay/versions/1")
    page.get_by_text("Will this flight arrive fifteen minutes late or more?").first.wait_for()
    page.get_by_text("mean by carrier hour").first.wait_for()
    browser.shot("mlflow-version")
    assert browser.problems == []
