"""The steps of a training run. Each reads what the one before left in the folder, and may run again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hotclub import names, package, parameters
from hotclub.callbacks import ProgressCallback
from hotclub.contract import FeatureSpec, ModelContract
from hotclub.errors import HotclubError
from training import labels, snapshot
from training.run_folder import RunFolder, fit_lock
from training.settings import TrainingSettings
from training.splits import Boundaries, SplitError, Splits, boundaries, split_rows


@dataclass(frozen=True)
class Run:
    """One training run: the contract, the folder, and how the caller wants it cut.

    Attributes:
        without: feature groups or names to leave out, to see what they are worth; such a run is never registered.
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

    @property
    def effective(self) -> ModelContract:
        """The contract with the features of `without` taken out."""
        if not self.without:
            return self.contract
        return without_features(self.contract, self.without)

    def boundaries(self, table: pa.Table) -> Boundaries:
        """Return where the splits begin: as asked for, else as the policy says."""
        default = boundaries(self.contract, table)
        return Boundaries(self.stopping_from or default.stopping, self.evaluation_from or default.evaluation)


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
    """Write the view's labelled rows to Parquet."""
    url = run.settings.reader_database_url.get_secret_value()
    table = snapshot.read_view(url, run.contract, snapshot.Interval(end=run.until))
    if not table.num_rows:
        before = f" before {run.until:%Y-%m-%d} (--until)" if run.until else ""
        raise SplitError(
            f"{run.contract.view} has no labelled rows{before}: load data, or look at label_known in ml.py"
        )
    digest = snapshot.write(run.folder.snapshot, table)
    run.progress(f"{table.num_rows} rows of {run.contract.view}")
    return run.folder.write("snapshot", snapshot.describe(run.contract, table, digest))


def _splits(run: Run) -> tuple[Splits, Boundaries, dict[str, Any]]:
    run.folder.read("snapshot")
    table = pq.read_table(run.folder.snapshot)
    at = run.boundaries(table)
    splits = split_rows(run.contract, table, at)
    return splits, at, labels.check(run.contract, table, splits, at)


def fit(run: Run) -> dict[str, Any]:
    """Fit and write the package."""
    from training import fit as fitting  # noqa: PLC0415  # XGBoost's import takes 5 s; a snapshot needs none of it

    splits, at, found = _splits(run)
    run.progress(f"fitting on {splits.train.num_rows} rows, stopping on {splits.stopping.num_rows}")
    for name, classes in labels.missing_classes(found).items():
        run.progress(f"WARNING: the {name} split has no row of class {', '.join(classes)}")
    with fit_lock(run.settings.snapshots):
        model, vocabulary, facts = fitting.fit(
            run.effective, splits, threads=run.settings.training_threads, progress=run.progress
        )
    digest = fitting.write_package(run.folder.package, run.effective, model, vocabulary, splits.train)
    times = {"stopping_from": at.stopping.isoformat(), "evaluation_from": at.evaluation.isoformat()}
    return run.folder.write("fit", facts | times | {"digest": digest, "splits": found})


def evaluate(run: Run) -> dict[str, Any]:
    """Score the evaluation split with the package as written, the baselines and the champion; judge by the gates."""
    from hotclub import quality  # noqa: PLC0415  # see fit
    from hotclub.predictor import Predictor  # noqa: PLC0415  # see fit
    from training import champion_scores, gates  # noqa: PLC0415  # see fit

    facts = run.folder.read("fit")
    splits, _, found = _splits(run)
    rows = splits.evaluation
    label = rows[names.COLUMN_LABEL].to_numpy()
    task = run.contract.schema.task
    predictor = Predictor.load(package.read(run.folder.package), threads=run.settings.training_threads)
    prediction = predictor.predict(rows)
    candidate = quality.measure(task, label, prediction.scores)
    champion = (
        champion_scores.ChampionScores(None, None, "not asked for")
        if run.without
        else champion_scores.score_with_champion(run.settings, run.contract, rows)
    )
    champion_metrics = None if champion.scores is None else quality.measure(task, label, champion.scores)
    verdicts = gates.verdicts(run.contract, candidate, champion_metrics, champion_failure=champion.failure)
    _write_scores(run, rows, prediction.scores)
    _draw(run, facts, label, prediction.scores)
    return run.folder.write(
        "evaluation",
        {
            "rows": rows.num_rows,
            "first_event": rows[names.COLUMN_EVENT_TIME][0].as_py().isoformat(),
            "last_event": rows[names.COLUMN_EVENT_TIME][-1].as_py().isoformat(),
            "engine": predictor.engine.name,
            "metrics": candidate,
            "baselines": _baseline_metrics(run.contract, splits),
            "champion": {"version": champion.version, "metrics": champion_metrics, "reason": champion.reason},
            "gates": verdicts,
            "passed": all(v["passed"] for v in verdicts),
            "missing_classes": labels.missing_classes(found),
            "unseen": prediction.unseen,
            "nulls": prediction.nulls,
        },
    )


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

    if run.without:
        raise HotclubError("a run with --without is for comparing, and is not registered")
    return run.folder.write(
        "registered",
        registering(
            run.settings,
            run.contract,
            run.folder,
            key=run.key,
            snapshot=run.folder.read("snapshot"),
            facts=run.folder.read("fit"),
            evaluation=run.folder.read("evaluation"),
        ),
    )
