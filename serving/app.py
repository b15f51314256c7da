"""The FastAPI application: ``uvicorn --factory serving.app:create_app``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline

from hotclub import answers, logs, problem_json
from hotclub.errors import InvalidInputError
from hotclub.mlflow_rest import MlflowRegistry
from hotclub.model_registry import ModelRegistry
from hotclub.package_cache import PackageCache
from serving import exception_handlers, openapi, predict
from serving.champion_watcher import ChampionWatcher, PollIntervals
from serving.feature_lookup import FeatureLookup
from serving.prometheus import Metrics
from serving.served_model import ServedModel
from serving.settings import Settings
from serving.state_file import StateFile

_PROBLEM = {"content": {problem_json.MEDIA_TYPE: {"schema": problem_json.SCHEMA}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such model; the known names are in the answer.", **_PROBLEM},
    413: {"description": "Too many rows or bytes.", **_PROBLEM},
    422: {"description": "The contract refuses the input; every field's error is in the answer.", **_PROBLEM},
    503: {"description": "Nothing is loaded, or features cannot be looked up.", **_PROBLEM},
}


def create_app(settings: Settings | None = None, registry: ModelRegistry | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: default: from the environment.
        registry: default: MLflow at the settings' URL.
    """
    settings = settings or Settings()
    logs.configure("serving")
    # A look-up without PostgreSQL answers 503 with the reason; the pool would repeat it every second.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    # FastAPI, with the docs page's scripts from an installed package instead of another machine.
    app = FastAPIOffline(
        title="Hotclub serving",
        version="1",
        description="Predictions of the versions that have the alias champion. A path per model, typed by its contract.",
        lifespan=_lifespan,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.watcher = _watcher(settings, registry or MlflowRegistry(settings.mlflow_url), app.state.metrics)
    app.state.lookup = None
    app.state.limits = predict.Limits(settings.serving_max_rows, settings.serving_max_bytes)
    exception_handlers.install(app)
    app.include_router(router)
    # A method of the application that FastAPI's own docs page calls: the file follows what is live.
    app.openapi = lambda: openapi.build(  # type: ignore[method-assign]
        app, app.state.watcher.served.values(), settings.serving_max_rows
    )
    return app


def _watcher(settings: Settings, registry: ModelRegistry, metrics: Metrics) -> ChampionWatcher:
    return ChampionWatcher(
        registry,
        PackageCache(settings.cache, registry),
        StateFile(settings.cache / "serving.json"),
        metrics,
        intervals=PollIntervals(
            settings.serving_poll_seconds, settings.serving_retry_seconds, settings.serving_drain_seconds
        ),
        threads=settings.serving_threads,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    watcher: ChampionWatcher = app.state.watcher
    url = app.state.settings.serving_database_url
    if url is not None:
        app.state.lookup = FeatureLookup(url.get_secret_value())
        await app.state.lookup.open()
    await watcher.restore()
    polling = asyncio.create_task(watcher.run())
    try:
        yield
    finally:
        # uvicorn has let the requests finish before it comes here.
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        await watcher.close()
        if app.state.lookup is not None:
            await app.state.lookup.close()


router = APIRouter()


@router.get(
    "/v1/models", tags=["models"], summary="What is live, and why it is not the version with the alias"
)
async def models(request: Request) -> dict[str, Any]:
    """Return every registered model with its live version, the alias's version and the reason where they differ."""
    watcher: ChampionWatcher = request.app.state.watcher
    served = sorted(watcher.served.values(), key=lambda served_model: served_model.model_name)
    return {
        "registry_failure": watcher.registry_failure,
        "models": [_describe(served_model) for served_model in served],
    }


def _describe(served_model: ServedModel) -> dict[str, Any]:
    live = served_model.live
    return {
        "name": served_model.model_name,
        "version": live.version if live else None,
        "champion": served_model.champion,
        "failure": served_model.failure,
        "failed_at": served_model.failed_at.isoformat() if served_model.failed_at else None,
        "loaded_at": live.loaded_at.isoformat() if live else None,
        "engine": live.predictor.engine.name if live else None,
        "engines_refused": live.predictor.refused if live else {},
        "contract_version": live.contract.version if live else None,
        "package_digest": live.predictor.package.digest if live else None,
        "task": live.contract.schema.task if live else None,
        "classes": list(answers.class_names(live.contract)) if live else [],
        "features": list(live.contract.feature_names) if live else [],
        "in_flight": live.in_flight if live else 0,
        "draining": [{"version": old.version, "in_flight": old.in_flight} for old in served_model.draining],
    }


@router.post(openapi.PREDICT_PATH, tags=["predict"], summary="Predict", responses=_RESPONSES)
async def predict_model(name: str, request: Request) -> Response:
    """Score rows of features, or of entity keys whose features are looked up, with the live version."""
    state = request.app.state
    form, rows = await predict.read_body(request, state.limits)
    live = predict.find_live(state.watcher.served, name)
    started = time.perf_counter()
    status = 500
    with live.lease():
        try:
            body, nulls = await predict.answer(live, form, rows, state.lookup)
            state.metrics.scored(live, len(rows), nulls, body["unseen"])
            status = 200
            return JSONResponse(body)
        except InvalidInputError as error:
            status = 422
            raise exception_handlers.invalid_input(
                error, model=live.model_name, version=live.version
            ) from error
        except exception_handlers.ProblemError as problem:
            status = problem.status
            problem.members |= {"model": live.model_name, "version": live.version}
            raise
        finally:
            state.metrics.answered(live, status, time.perf_counter() - started)


@router.get("/v2/health/live", tags=["health"], summary="The process answers")
async def health_live() -> dict[str, bool]:
    """Say that the process answers, in any state of the registry, the database and the models."""
    return {"live": True}


@router.get(
    "/v2/health/ready",
    tags=["health"],
    summary="The service may get requests",
    responses={503: _RESPONSES[503]},
)
async def health_ready(request: Request) -> dict[str, bool]:
    """Say that the registry was read once, or that what was live before the restart is live again."""
    watcher: ChampionWatcher = request.app.state.watcher
    if not watcher.is_ready:
        raise exception_handlers.ProblemError(
            503, f"Not ready: {watcher.registry_failure or 'the registry is not read yet'}."
        )
    return {"ready": True}


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the metrics for Prometheus."""
    content, media_type = request.app.state.metrics.render()
    return Response(content, media_type=media_type)
