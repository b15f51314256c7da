"""MLflow's answers come from outside; the real server is asked in tests/training and tests/e2e."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hotclub.errors import PackageError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.registry import RegisteredVersion


def test_listing_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    """A file named ``..`` in MLflow's listing is refused, and nothing is written."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("get-download-uri"):
            return httpx.Response(200, json={"artifact_uri": "mlflow-artifacts:/1/models/m/artifacts"})
        return httpx.Response(200, json={"files": [{"path": "..", "is_dir": False}]})

    client = httpx.Client(base_url="http://mlflow", transport=httpx.MockTransport(answer))
    registry = MlflowRegistry("http://mlflow", client=client)
    folder = tmp_path / "package"
    folder.mkdir()
    with pytest.raises(PackageError, match=r"a file named '\.\.'"):
        registry.download(RegisteredVersion("late", "1", "", ""), folder)
    registry.close()
    assert list(folder.iterdir()) == []
