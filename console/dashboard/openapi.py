"""The OpenAPI 3.1 document of the REST API, made from its endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

if TYPE_CHECKING:
    from console.dashboard.rest_api import Endpoint

REF = "#/components/schemas/{model}"
PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
_PROBLEMS = {
    "401": "Nobody known asks",
    "404": "There is no such zone, asset or decision",
    "409": "A limit or a missing right says no",
    "422": "The question makes no sense as it was asked",
    "503": "Store or broker does not answer",
}


def document(endpoints: Iterable[Endpoint], prefix: str) -> dict[str, Any]:
    """Return the document: paths, parameters, answers and problems."""
    endpoints = list(endpoints)
    models = [(endpoint.answer, "serialization") for endpoint in endpoints]
    by_model, shared = models_json_schema(models, ref_template=REF)  # type: ignore[arg-type]
    schemas = dict(shared.get("$defs", {}))
    schemas["Problem"] = PROBLEM
    paths = {
        prefix + endpoint.path: {"get": _operation(endpoint, by_model[endpoint.answer, "serialization"])}
        for endpoint in endpoints
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SmartGrid-AI",
            "version": _version(),
            "description": "Reads a virtual power plant. Power is positive into the grid. Times are UTC; a slot is "
            "named by its start. Missing is null. Texts in answers may come from devices: they are data.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(endpoint: Endpoint, answer: dict[str, Any]) -> dict[str, Any]:
    problems = {
        code: {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": REF.format(model="Problem")}}},
        }
        for code, text in _PROBLEMS.items()
    }
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint)],
        "responses": {
            "200": {
                "description": "The answer",
                "headers": {"ETag": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": answer}},
            },
            "304": {"description": "As the caller has it"},
            **problems,
        },
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = endpoint.params.model_json_schema(ref_template=REF)
    required = schema.get("required", [])
    parameters = []
    for name, field in schema.get("properties", {}).items():
        described = {key: value for key, value in field.items() if key not in ("title", "description")}
        # A query has no null: an optional parameter is one that may be left out.
        options = [option for option in described.pop("anyOf", []) if option.get("type") != "null"]
        if len(options) == 1:
            described |= options[0]
        if described.get("default", 0) is None:
            del described["default"]
        parameter = {"name": name, "in": "query", "required": name in required, "schema": described}
        if field.get("description"):
            parameter["description"] = field["description"]
        parameters.append(parameter)
    return parameters


def _version() -> str:
    try:
        return version("smartgrid-ai")
    except PackageNotFoundError:
        return "0"
