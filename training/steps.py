"""The steps of a training run. Each reads what the one before left in the folder, and may run again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hotclub import names, package, parameters
from hotclub.callbacks import ProgressCallback
from hotclub.contract import FeatureSpec, ModelContract
from hotclub.errors import HotclubError
from training import labels, row_warnings, snapshot
from training.errors import RefusedDataError
from training.event_times import LeftOut, leave_out_far_rows
from training.run_folder import RunFolder, fit_lock
from training.settings import TrainingSettings
from training.splits import Boundaries, SplitError, Splits, boundaries, refuse_days, split_rows

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One training run: the contract, the folder, and how the caller wants it cut.

    Attributes:
        without: feature groups or names to leave out, to see what they are worth; such a run is never registered.
        sample: about how many rows to read, chosen by the hash of their key; likewise.
        from_declaration: read through the contract's own SQL, not through the published view; likewise.
        no_champion: do not ask MLflow for the champion; likewise.
    """

    settings: TrainingSettings
    contract: ModelContract
    folder: RunFolder
    key: str
    progress: ProgressCallback
    until: dt.datetime | None = None
    stopping_from: dt.datetime | None = None
    evaluation_from: dt.datetime | None = None
    without: tuple[str, ...] = ()
    sample: int | None = None
    from_declaration: bool = False
    no_champion: bool = False

    @property
    def effective(self) -> ModelContract:
        """The contract with the features of `without` taken out."""
        if not self.without:
            return self.contract
        return without_features(self.contract, self.without)

    def boundaries(self, table: pa.Table) -> Boundaries | None:
        """Return where the splits begin: as asked for, else as the policy says; None without a time."""
        return boundaries(self.contract, table, self.stopping_from, self.evaluation_from)


def without_features(contract: ModelContract, left_out: tuple[str, ...]) -> ModelContract:
    """Return a contract without some features, by name or group.

    Raises:
        HotclubError: a name is neither, or nothing remains.
    """

    def gone(spec: FeatureSpec) -> bool:
        return spec.name in left_out or (bool(spec.group) and spec.group in left_out)

    known = {f.name for f in contract.features} | {f.group for f in contract.features if f.group}
    unknown = sorted(set(left_out) - known)
    if unknown:
        raise HotclubError(
            f"--without: {', '.join(unknown)} is no feature or group; there are: {', '.join(sorted(known))}"
        )
    kept = tuple(f for f in contract.features if not gone(f))
    if not kept:
        raise HotclubError("--without: no feature remains")
    names_gone = {f.name for f in contract.features if gone(f)}
    return replace(
        contract,
        schema=replace(contract.schema, features=kept),
        policy=replace(
            contract.policy, parameters=parameters.without(names_gone, contract.policy.parameters)
        ),
    )


def take_snapshot(run: Run) -> dict[str, Any]:
    """Write the view's labelled rows to Parquet, with counts of the others."""
    url = run.settings.reader_database_url.get_secret_value()
    if run.until is not None and run.contract.schema.event_time is None:
        refuse_days(run.contract, "--until")
    reading = snapshot.Reading(
        interval=snapshot.Interval(end=run.until), sample=run.sample, from_declaration=run.from_declaration
    )
    table, counts = snapshot.read_snapshot(url, run.contract, reading)
    if not table.num_rows:
        before = f" before {run.until:%Y-%m-%d} (--until)" if run.until else ""
        others = f" ({counts.unknown:,} rows have no label yet)" if counts.unknown else ""
        raise SplitError(
            f"{run.contract.name} has no labelled rows{before}{others}: load data, or look at label_known in ml.py"
        )
    digest = snapshot.write(run.folder.snapshot, table)
    run.progress(f"{table.num_rows} rows of {run.contract.name}")
    return run.folder.write("snapshot", snapshot.describe(run.contract, table, digest, reading, counts))


@dataclass(frozen=True)
class Prepared:
    """The rows of a snapshot, cut and checked.

    Attributes:
        found: rows, span and labels of each split.
        left_out: rows that no split has.
    """

    splits: Splits
    at: Boundaries | None
    found: dict[str, Any]
    left_out: LeftOut


def _prepare(run: Run) -> Prepared:
    facts = run.folder.read("snapshot")
    table = pq.read_table(run.folder.snapshot)
    table, left_out = leave_out_far_rows(run.contract, table, facts.get("unreadable_times"))
    try:
        at = run.boundaries(table)
        splits = split_rows(run.contract, table, at)
        found = labels.check(run.contract, table, splits, at)
    except RefusedDataError as error:
        more = [left_out.sentence(), _sample_sentence(facts)]
        raise type(error)(". ".join([str(error), *(text for text in more if text)])) from error
    return Prepared(splits, at, found, left_out)


def _sample_sentence(facts: dict[str, Any]) -> str:
    """Return that too few rows may be those of a sample, which its caller can enlarge."""
    known = facts.get("filled", {}).get("known", 0)
    if facts["sample"] is None or facts["rows"] >= known:
        return ""
    return f"These are {facts['rows']:,} rows of a sample (--sample), of {known:,} with a label: ask for a larger one"


def fit(run: Run) -> dict[str, Any]:
    """Check the rows, fit, and write the package."""
    from training import fit as fitting  # noqa: PLC0415  # XGBoost's import takes 5 s; a snapshot needs none of it

    prepared = _prepare(run)
    if prepared.left_out.count:
        run.progress(f"WARNING: {prepared.left_out.sentence()}")
    splits, at = prepared.splits, prepared.at
    doubts = row_warnings.find(run.contract, splits, at)
    for doubt in doubts:
        run.progress(f"WARNING: {doubt}")
    findings = _leakage(run, splits)
    run.progress(f"fitting on {splits.train.num_rows} rows, stopping on {splits.stopping.num_rows}")
    with fit_lock(run.settings.snapshots):
        model, vocabulary, facts = fitting.fit(
            run.effective, splits, threads=run.settings.training_threads, progress=run.progress
        )
    digest = fitting.write_package(run.folder.package, run.effective, model, vocabulary, splits.train)
    return run.folder.write(
        "fit",
        facts
        | {
            "stopping_from": at.stopping.isoformat() if at else None,
            "evaluation_from": at.evaluation.isoformat() if at else None,
            "digest": digest,
            "splits": prepared.found,
            "left_out": prepared.left_out.facts(),
            "warnings": doubts,
            "leakage": findings,
        },
    )


def _leakage(run: Run, splits: Splits) -> list[dict[str, Any]]:
    """Look for features that know the label, write down what was found, and stop where it is critical."""
    from training import leakage  # noqa: PLC0415  # scikit-learn's import takes seconds, see fit

    findings, scores = leakage.find(run.effective, splits, run.folder.read("snapshot").get("filled"))
    found = [finding.as_dict() for finding in findings]
    alone = {name: score.score for name, score in scores.items()}
    run.folder.write("leakage", {"findings": found, "alone": alone})
    leakage.refuse_critical(findings)
    for finding in findings:
        run.progress(f"WARNING: {finding.message}")
    return found


def evaluate(run: Run) -> dict[str, Any]:
    """Score the evaluation split with the package as written, the baselines and the champion; judge by the gates."""
    from hotclub import quality  # noqa: PLC0415  # see fit
    from hotclub.predictor import Predictor  # noqa: PLC0415  # see fit
    from training import baselines, gates  # noqa: PLC0415  # see fit
    from training.description import description  # noqa: PLC0415  # beside what it describes

    facts = run.folder.read("fit")
    prepared = _prepare(run)
    rows = prepared.splits.evaluation
    label = rows[names.COLUMN_LABEL].to_numpy()
    task = run.contract.schema.task
    predictor = Predictor.load(package.read(run.folder.package), threads=run.settings.training_threads)
    prediction = predictor.predict(rows)
    candidate = quality.measure(task, label, prediction.scores)
    champion, failure = _champion(run, rows)
    verdicts = gates.verdicts(run.contract, candidate, champion["metrics"], champion_failure=failure)
    measured = _baseline_metrics(run.contract, prepared.splits)
    constant = baselines.no_better_than_constant(run.contract, candidate, measured)
    copied = _copies(run, prepared.splits, facts["leakage"], label, prediction.scores)
    for doubt in (constant, copied, champion["caution"]):
        if doubt:
            run.progress(f"WARNING: {doubt}")
    _write_scores(run, rows, prediction.scores)
    _draw(run, facts, label, prediction.scores)
    found = prepared.found["evaluation"]
    outcome = gates.outcome(verdicts)
    evaluation = {
        "rows": rows.num_rows,
        "first_event": found.get("first_event"),
        "last_event": found.get("last_event"),
        "engine": predictor.engine.name,
        "metrics": candidate,
        "baselines": measured,
        "champion": champion,
        "gates": verdicts,
        "gates_outcome": outcome,
        "passed": outcome == names.GATES_PASSED,
        "no_better_than_constant": constant,
        "copies": copied,
        "leakage": facts["leakage"],
        "left_out": facts["left_out"],
        "unseen": prediction.unseen,
        "nulls": prediction.nulls,
    }
    run.folder.write_text("description.md", description(run.contract, facts, evaluation))
    return run.folder.write("evaluation", evaluation)


def _copies(
    run: Run, splits: Splits, findings: list[dict[str, Any]], label: FloatArray, scores: FloatArray
) -> str:
    """Return a sentence where evaluation rows are copies of fitted ones, with the metric of the others."""
    from hotclub import quality  # noqa: PLC0415  # see fit

    own = [f["feature"] for f in findings if f["check"] in ("row_number", "follows_the_key", "unseen")]
    found = row_warnings.copies(run.effective, splits, own)
    if found is None:
        return ""
    others = ~found.is_copy
    task, metric = run.contract.schema.task, [run.contract.policy.metric]
    of_others = quality.measure(task, label[others], scores[others], metric) if others.any() else {}
    return found.sentence(run.contract, quality.measure(task, label, scores, metric), of_others)


def _champion(run: Run, rows: pa.Table) -> tuple[dict[str, Any], str | None]:
    """Return what is known of the champion on these rows, and why one that is there could not be scored."""
    from hotclub import quality  # noqa: PLC0415  # see fit
    from training import champion_scores  # noqa: PLC0415  # see fit

    asked = not (run.without or run.no_champion)
    found = (
        champion_scores.score_with_champion(run.settings, run.contract, rows)
        if asked
        else champion_scores.ChampionScores(None, None, "not asked for")
    )
    label = rows[names.COLUMN_LABEL].to_numpy()
    metrics = None if found.scores is None else quality.measure(run.contract.schema.task, label, found.scores)
    content = {
        "version": found.version,
        "metrics": metrics,
        "reason": found.reason,
        "caution": found.caution,
        "asked": asked,
    }
    return content, found.failure


def _baseline_metrics(contract: ModelContract, splits: Splits) -> dict[str, dict[str, float]]:
    """Return the metrics of each baseline on the evaluation split."""
    from hotclub import quality  # noqa: PLC0415  # see fit
    from training.baselines import baselines  # noqa: PLC0415  # see fit

    label = splits.evaluation[names.COLUMN_LABEL].to_numpy()
    return {
        name: quality.measure(contract.schema.task, label, scores)
        for name, scores in baselines(contract, splits.train, splits.evaluation).items()
    }


def _write_scores(run: Run, rows: pa.Table, scores: Any) -> None:
    table = rows.select([*names.KEY_COLUMNS, names.COLUMN_LABEL])
    table = table.append_column("score", pa.array(scores.tolist()))
    pq.write_table(table, run.folder.scores)


def _draw(run: Run, facts: dict[str, Any], label: Any, scores: Any) -> None:
    from training import plots  # noqa: PLC0415  # matplotlib is needed only here

    title = f"{run.contract.name}: feature importance"
    plots.importance(run.folder.plot("importance"), facts["importance"], title)
    task = run.contract.schema.task
    if task == "multiclass":
        # One picture: how often an outcome happened, by its predicted probability.
        label, scores = (label[:, None] == range(scores.shape[1])).ravel().astype(float), scores.ravel()
    unit = "" if task == "regression" else " (share)"
    plots.agreement(
        run.folder.plot("agreement"), label, scores, f"{run.contract.name}: predicted and observed", unit
    )


def register(run: Run) -> dict[str, Any]:
    """Register the package in MLflow and, when the gates passed, point `challenger` at it."""
    from training.register import register as registering  # noqa: PLC0415  # mlflow's import takes 7 s

    require_registrable(run)
    snapshot_facts, evaluation = run.folder.read("snapshot"), run.folder.read("evaluation")
    # The step may be called without the options of those before.
    _refuse_registering(
        {
            "--sample": snapshot_facts["sample"] is not None,
            "--from-declaration": snapshot_facts["from_declaration"],
            "--without or --no-champion": not evaluation["champion"]["asked"],
        }
    )
    return run.folder.write(
        "registered",
        registering(
            run.settings,
            run.contract,
            run.folder,
            key=run.key,
            snapshot=snapshot_facts,
            facts=run.folder.read("fit"),
            evaluation=evaluation,
        ),
    )


def require_registrable(run: Run) -> None:
    """Refuse to register what was made for comparing.

    Raises:
        HotclubError: names the option.
    """
    _refuse_registering(
        {
            "--without": bool(run.without),
            "--sample": run.sample is not None,
            "--from-declaration": run.from_declaration,
            "--no-champion": run.no_champion,
        }
    )


def _refuse_registering(used: dict[str, bool]) -> None:
    options = " and ".join(option for option, is_used in used.items() if is_used)
    if options:
        raise HotclubError(
            f"a run with {options} is for comparing, and is not registered: stop after evaluate (run --no-register)"
        )
