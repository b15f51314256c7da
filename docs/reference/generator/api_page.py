"""docs/reference/api.md: the paths of Django's operational API and of the inference service."""

from __future__ import annotations

from typing import Any

from generator import in_django
from generator.source_code import cell, code, page, table

_METHODS = ("get", "post", "put", "patch", "delete")


def api_page() -> str:
    """Return the page of paths, each with what it does."""
    return page(
        "# API\n",
        "Paths and methods. Each service has a page with fields, answers and errors: "
        "`/api/docs/` of Django and `/docs` of serving, whose requests are typed by the contracts that are live.\n",
        "## Django\n",
        "`Authorization: Token ...` or a session of the admin; a user sees the rows of their own tenants.\n",
        *table(["method", "path", "what it does"], _django()),
        "## Serving\n",
        "No login; it listens on this machine only.\n",
        *table(["method", "path", "what it does"], _serving()),
    )


def _django() -> list[list[str]]:
    in_django.load()
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415 - it wants Django loaded

    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # drf-spectacular publishes no types
    rows = []
    for path, operations in sorted(schema["paths"].items()):
        for method in _METHODS:
            if method in operations:
                said = operations[method]
                text = said.get("summary") or said.get("description") or ""
                rows.append([method.upper(), code(path), _sentence(text, f"{method} {path}")])
    return rows


def _serving() -> list[list[str]]:
    from fastapi.routing import APIRoute  # noqa: PLC0415 - for this page alone

    from serving.app import router  # noqa: PLC0415 - for this page alone

    rows: list[list[str]] = []
    for route in router.routes:
        if isinstance(route, APIRoute):
            text = route.summary or route.description
            rows += [
                [method, code(route.path), _sentence(text, f"{method} {route.path}")]
                for method in sorted(route.methods)
            ]
    return rows


def _sentence(text: str, where: str) -> str:
    """Return the first paragraph of a description in one line.

    Raises:
        LookupError: there is none.
    """
    first = " ".join(text.strip().split("\n\n")[0].split())
    if not first:
        raise LookupError(f"{where}: give it a docstring or a summary")
    return cell(first)
