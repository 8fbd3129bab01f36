"""The description of the REST routes, made from the structs that they speak."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from holdfast.gateways.rest.problems import MEDIA_TYPE, Problem
from holdfast.gateways.rest.route import Route

_REF = "#/components/schemas/{name}"
_IN_PATH = re.compile(r"\{(\w+)\}")


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    routes = list(routes)
    kinds = _kinds(routes)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": version("holdfast")},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _kinds(routes: list[Route]) -> list[type[Any]]:
    kinds: dict[type[Any], None] = {Problem: None}
    for route in routes:
        kinds |= dict.fromkeys(route.replies.values())
        if route.body is not None:
            kinds[route.body] = None
    return list(kinds)


def _operation(route: Route, schema_of: dict[type[Any], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{_camel(route.path)}",
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route, schema_of),
    }
    if route.body is not None:
        operation["requestBody"] = {"content": _json(schema_of[route.body])}
    return operation


def _responses(route: Route, schema_of: dict[type[Any], dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        str(status): {"description": (kind.__doc__ or "").strip(), "content": _json(schema_of[kind])}
        for status, kind in route.replies.items()
    }
    problem = {
        "description": "A refusal or failure.",
        "content": {MEDIA_TYPE: {"schema": schema_of[Problem]}},
    }
    return described | {"default": problem}


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in _IN_PATH.findall(route.path)]
    in_query = [
        {"name": name, "in": "query", "description": told, "schema": text} for name, told in route.query.items()
    ]
    return in_path + in_query


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _camel(path: str) -> str:
    return "".join(word.capitalize() for word in re.findall(r"\w+", path))
