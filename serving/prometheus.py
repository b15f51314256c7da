"""Prometheus metrics of one application. Labels are bounded: known models, versions, features."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from serving.served_model import LoadedVersion

#: Seconds. A row takes tens of microseconds, a look-up milliseconds, a thousand rows tens of them.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics, in a registry of their own, so that two applications in a process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "hotclub_serving_requests",
            "Predict requests.",
            ["model", "version", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "hotclub_serving_request_seconds",
            "Time of a predict request.",
            ["model"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.rows = Counter(
            "hotclub_serving_rows", "Rows scored.", ["model", "version"], registry=self.registry
        )
        self.unseen = Counter(
            "hotclub_serving_unseen_categories",
            "Values that training had never seen.",
            ["model", "feature"],
            registry=self.registry,
        )
        self.nulls = Counter(
            "hotclub_serving_null_values", "Missing values.", ["model", "feature"], registry=self.registry
        )
        self.live = Gauge(
            "hotclub_serving_live_version",
            "1 for the version that answers.",
            ["model", "version", "engine", "digest"],
            registry=self.registry,
        )
        self.fallback = Gauge(
            "hotclub_serving_engine_fallback",
            "1 when a faster engine did not pass verification.",
            ["model"],
            registry=self.registry,
        )
        self.load_failures = Counter(
            "hotclub_serving_load_failures", "Versions that were refused.", ["model"], registry=self.registry
        )
        self.swaps = Counter(
            "hotclub_serving_swaps", "Versions made live.", ["model"], registry=self.registry
        )
        self.registry_up = Gauge(
            "hotclub_serving_registry_up", "1 when the last poll was answered.", registry=self.registry
        )

    def answered(self, loaded: LoadedVersion, status: int, seconds: float) -> None:
        """Count a request to a live model."""
        self.requests.labels(loaded.model_name, loaded.version, str(status)).inc()
        self.seconds.labels(loaded.model_name).observe(seconds)

    def scored(
        self, loaded: LoadedVersion, rows: int, nulls: Mapping[str, int], unseen: Mapping[str, int]
    ) -> None:
        """Count rows, and what was missing in them."""
        self.rows.labels(loaded.model_name, loaded.version).inc(rows)
        for counter, found in ((self.nulls, nulls), (self.unseen, unseen)):
            for feature, count in found.items():
                counter.labels(loaded.model_name, feature).inc(count)

    def swapped(self, loaded: LoadedVersion, replaced: LoadedVersion | None) -> None:
        """Show a version as live, and the replaced one no more."""
        if replaced is not None:
            self.live.remove(*self._live_labels(replaced))
        self.live.labels(*self._live_labels(loaded)).set(1)
        self.fallback.labels(loaded.model_name).set(bool(loaded.predictor.refused))
        self.swaps.labels(loaded.model_name).inc()

    def render(self) -> tuple[bytes, str]:
        """Return the exposition and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    @staticmethod
    def _live_labels(loaded: LoadedVersion) -> tuple[str, str, str, str]:
        return (
            loaded.model_name,
            loaded.version,
            loaded.predictor.engine.name,
            loaded.predictor.package.digest[:12],
        )
