"""What the demo prints at its end: metrics, counts, an answer of the endpoint, and addresses."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from typing import Any

from hotclub import names
from hotclub.statuses import BatchStatus
from stack import clients, secrets, service_definitions
from stack.clients import Django, Serving
from stack.errors import StackError
from stack.service_environments import Stack
from stack.settings import ROOT

_BASELINE = "baseline_"
#: The model whose endpoint is asked.
_EXAMPLE_MODEL = "arrival_delay"


def results(stack: Stack, day: dt.date) -> str:
    """Return the champions' metrics and their baselines, the day's scores, and one answer of the endpoint."""
    parts = ["", "Quality on the evaluation split, held out from training:", _metrics(stack)]
    parts += ["", scores(stack, day), "", _answer(stack, day)]
    return "\n".join(parts)


def scores(stack: Stack, day: dt.date) -> str:
    """Return how many rows of a day were scored, and how good the scores were."""
    lines = [
        f"Batch scores for {day}, compared with the actual flights. They were made from the schedule, the evening before:",
        "without that day's own delays, which the models rely on. The endpoint is asked an hour before departure.",
    ]
    for model, values in _score_report(stack, day)["models"].items():
        lines.append(
            f"  {model} version {', '.join(values['versions'])}: {values['rows_scored']} rows scored, "
            f"{values['rows_with_outcome']} of them with an outcome"
        )
        lines += [
            f"    {name:<18} {value:<10.4g} baseline: {values[_BASELINE + name]:.4g}"
            for name, value in values.items()
            if _BASELINE + name in values
        ]
    return "\n".join(lines)


def directions(stack: Stack, day: dt.date) -> str:
    """Return where everything is and what to try next."""
    ports = stack.ports
    following = day + dt.timedelta(days=1)
    return f"""
Where
  Django admin   {ports.url("django")}/admin/
  Django API     {ports.url("django")}/api/docs/
  Airflow        {ports.url("airflow")}
  MLflow         {ports.url("mlflow")}
  Endpoint       {ports.url("serving")}/docs
  Passwords      {secrets.passwords_file(stack.home)}

Next
  make deliver DAY={following}   the files of the next day: loaded, scored, compared
  make status                   what runs, and its memory
  make logs                     what it says
  make down                     stop everything; `make up` goes on with the same data
"""


def _metrics(stack: Stack) -> str:
    registry = clients.registry(stack)
    lines = []
    for model in (m.name for m in registry.models()):
        version = registry.version_by_alias(model, names.ALIAS_CHAMPION)
        metrics = registry.metrics(version.run_id)
        own = {k: v for k, v in metrics.items() if not k.startswith((_BASELINE, "champion_"))}
        lines.append(f"  {model} version {version.version}")
        for name, value in own.items():
            baselines = [
                f"{key.removeprefix(_BASELINE).removesuffix(f'_{name}')} {other:.4g}"
                for key, other in metrics.items()
                if key.startswith(_BASELINE) and key.endswith(f"_{name}")
            ]
            lines.append(f"    {name:<18} {value:<10.4g} baselines: {', '.join(baselines) or '-'}")
    return "\n".join(lines)


def _answer(stack: Stack, day: dt.date) -> str:
    django = Django(stack)
    done = [
        b for b in django.list("/batches/") if b["status"] == BatchStatus.DONE and b["day"] == day.isoformat()
    ]
    batch = next((b for b in done if b["model"] == _EXAMPLE_MODEL), None)
    row = next(django.list(f"/batches/{batch['id']}/results/"), None) if batch else None
    if batch is None or row is None:
        raise StackError(f"No scored row of {day} was found", "Look at the batches in Django's admin.")
    answer = Serving(stack).predict(_EXAMPLE_MODEL, str(row["entity"]))
    command = (
        f"curl -s {stack.ports.url('serving')}/v1/models/{_EXAMPLE_MODEL}/predict "
        f"-H 'Content-Type: application/json' -d '{{\"entities\": [\"{row['entity']}\"]}}'"
    )
    return f"The endpoint, asked about one of those flights:\n  {command}\n  {json.dumps(answer)}"


def _score_report(stack: Stack, day: dt.date) -> Any:
    done = subprocess.run(
        service_definitions.manage("score_report", day.isoformat(), "--json"),
        env=stack.django(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"manage score_report failed: {done.stderr[-2000:]}", "`make up` goes on from here.")
    return json.loads(done.stdout.strip().splitlines()[-1])
