"""A model package as a BentoML bundle, over the same predictor: ``python -m serving.bento build --package DIR``.

For teams whose platform takes bundles. A bundle holds one package and what reads it; it follows no
registry and looks nothing up.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

# Read by BentoML as it is imported.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import bentoml

from hotclub import answers, package
from hotclub.errors import HotclubError, InvalidInputError
from hotclub.feature_validation import validate_instances
from hotclub.predictor import Predictor

#: In a bundle's source, next to ``serving/`` and ``hotclub/``.
_PACKAGE: Final = "package"
_FACTS: Final = "bundle.json"
_MAX_ROWS: Final = 1000
#: What hotclub.predictor needs, in the versions that the bundle was built with.
_REQUIRED: Final = ("httpx", "numpy", "pyarrow", "pylignum", "xgboost")


@bentoml.service(name="hotclub", traffic={"timeout": 30})
class HotclubService:
    """Answers with the bundle's version."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[1]
        self._facts: dict[str, str] = json.loads((root / _FACTS).read_text(encoding="utf-8"))
        # Reading verifies the files, loading the golden scores.
        self._predictor = Predictor.load(package.read(root / _PACKAGE))

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML's
    def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        """Score rows of features; 400 with every field's error when the contract refuses them."""
        if len(instances) > _MAX_ROWS:
            raise bentoml.exceptions.InvalidArgument(f"instances: at most {_MAX_ROWS} rows in a request")
        try:
            validate_instances(self._predictor.contract, instances)
        except InvalidInputError as error:
            raise bentoml.exceptions.InvalidArgument(str(error)) from error
        prediction = self._predictor.predict_rows(instances)
        return {
            **self._facts,
            "predictions": answers.of_scores(self._predictor.contract, prediction.scores.tolist()),
            "engine": self._predictor.engine.name,
            "unseen": prediction.unseen,
        }


def build(folder: Path, version: str) -> bentoml.Bento:
    """Build a bundle of a package into BentoML's store (``BENTOML_HOME``).

    Args:
        folder: the package; it is read and verified first.
        version: the registered version, which every answer names.

    Raises:
        PackageError: the package must not serve.
    """
    read = package.read(folder)
    Predictor.load(read)
    model = read.contract.name
    source = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="hotclub-bento-") as temporary:
        context = Path(temporary)
        shutil.copytree(source / "hotclub", context / "hotclub", ignore=shutil.ignore_patterns("__pycache__"))
        (context / "serving").mkdir()
        for name in ("__init__.py", "bento.py"):
            shutil.copy(source / "serving" / name, context / "serving" / name)
        shutil.copytree(folder, context / _PACKAGE)
        (context / _FACTS).write_text(json.dumps({"model": model, "version": version}), encoding="utf-8")
        return bentoml.bentos.build(
            "serving.bento:HotclubService",
            name=model,
            build_ctx=str(context),
            include=["hotclub/**", "serving/**", f"{_PACKAGE}/**", _FACTS],
            labels={"version": version, "package_digest": read.digest[:12]},
            python={"packages": _requirements(), "lock_packages": False},
        )


def _requirements() -> list[str]:
    return [f"{name}=={importlib.metadata.version(name)}" for name in (*_REQUIRED, "bentoml")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the last line of stdout is one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.bento", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("build", help="build a bundle of one model package")
    command.add_argument("--package", required=True, type=Path, help="the package's folder")
    command.add_argument("--version", default="", help="the registered version, named in every answer")
    arguments = parser.parse_args(argv)
    try:
        bento = build(arguments.package, arguments.version)
    except HotclubError as error:
        print(f"serving.bento: {arguments.package}: {error}", file=sys.stderr)  # noqa: T201  # a command
        return 2
    print(json.dumps({"tag": str(bento.tag), "path": bento.path}))  # noqa: T201  # a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
