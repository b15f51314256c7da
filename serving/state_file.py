"""The last good version of each model, on disk, so that a restart without the registry still serves."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from hotclub.model_registry import RegisteredVersion

logger = logging.getLogger(__name__)


class StateFile:
    """``<cache>/serving.json``. Losing it costs a load from the registry and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[RegisteredVersion]:
        """Return the versions that were live; none when the file is not there or not readable."""
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return [RegisteredVersion(**{**v, "aliases": tuple(v["aliases"])}) for v in data["versions"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s is not readable, starting without it: %r", self.path, error)
            return []

    def write(self, versions: Iterable[RegisteredVersion]) -> None:
        """Replace the file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Replicas may share the cache folder: each writes its own part.
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        plain = [{**asdict(v), "tags": dict(v.tags)} for v in versions]
        part.write_text(json.dumps({"versions": plain}, indent=2), encoding="utf-8")
        part.replace(self.path)
