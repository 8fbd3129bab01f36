"""Schemas from outside: what fits passes, what does not is told with its place, nothing is ever fetched."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core.errors import BadInput
from holdfast.core.schemas import SCHEMA_MAX_BYTES, check, path

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "mail": {"type": "string", "format": "email"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("value", [{"name": "Ada"}, {"name": "Ada", "age": 36, "mail": "ada@example.org"}])
def test_what_fits_passes(value: Any) -> None:
    check(PERSON, value, "content")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({}, "content"),
        ({"name": 5}, "content.name"),
        ({"name": "Ada", "age": "36"}, "content.age"),
        ({"name": "Ada", "mail": "nowhere"}, "content.mail"),
        ({"name": "Ada", "sudo": True}, "content"),
        (None, "content"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(BadInput) as refused:
        check(PERSON, value, "content")
    assert refused.value.message.startswith(f"{place}: ")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        check(PERSON, {"name": 1, "age": "x"}, "content")
    assert len(refused.value.details["errors"]) == 2


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/x"}, {"pattern": "("}, {"$ref": "file:///etc/hosts"}]
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="schema"):
        check(schema, "x", "content")


def test_a_schema_has_a_limit() -> None:
    with pytest.raises(BadInput, match="at most"):
        check({"description": "x" * SCHEMA_MAX_BYTES}, {}, "content")


def test_a_path_is_written_as_people_do() -> None:
    assert path("payload", ["items", 0, "name"]) == "payload.items[0].name"
