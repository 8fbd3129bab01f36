"""JSON schemas that come from outside: of forms, of tools. Checked for size, compiled once, never fetched."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jsonschema_rs

from holdfast.core.canonical import canonical_json
from holdfast.core.errors import BadInput

SCHEMA_MAX_BYTES = 64 * 1024  # of one schema: a form is a page, not a database
ERRORS_MAX = 10  # told at once; who corrects them is told the rest


def check(schema: dict[str, Any], value: Any, where: str) -> None:
    """Let `value` pass if it fits.

    Raises:
        BadInput: it does not, or the schema is none; says what is wrong, and where under `where`.
    """
    found = [f"{path(where, error.instance_path)}: {error.message}" for error in _validator(schema).iter_errors(value)]
    if found:
        raise BadInput("; ".join(found[:ERRORS_MAX]), errors=found[:ERRORS_MAX])


def usable(schema: dict[str, Any]) -> None:
    """Let a schema pass that values can be checked by. Raises BadInput."""
    _validator(schema)


def path(where: str, steps: list[str | int]) -> str:
    """A place in a value, as people write it."""
    return where + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    data = canonical_json(schema)
    if len(data) > SCHEMA_MAX_BYTES:
        raise BadInput(f"A schema is at most {SCHEMA_MAX_BYTES} bytes.", size=len(data), limit=SCHEMA_MAX_BYTES)
    return _compiled(data)


@lru_cache(maxsize=256)
def _compiled(data: bytes) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(data.decode(), validate_formats=True, retriever=_never)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise BadInput(f"The schema cannot be used: {error}") from None


def _never(uri: str) -> Any:
    raise ValueError(f"{uri}: a schema must hold all that it refers to")
