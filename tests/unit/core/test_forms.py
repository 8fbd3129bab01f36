"""Forms: what can be one, what cannot and why, and where people may be sent."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.core import forms, schemas
from holdfast.core.errors import BadInput

COLOURS = [{"const": "r", "title": "Red"}, {"const": "g", "title": "Green"}]


def form(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ({"type": "string", "title": "Name", "description": "Yours", "default": "Ann"}, "Bob", 1),
        ({"type": "string", "minLength": 2, "maxLength": 3, "pattern": "^a"}, "ab", "b"),
        ({"type": "string", "format": "email"}, "a@example.com", "a"),
        ({"type": "string", "format": "uri"}, "https://example.com", "example"),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-30"),
        ({"type": "string", "format": "date-time"}, "2026-02-28T10:00:00Z", "2026-02-28"),
        ({"type": "string", "enum": ["r", "g"], "default": "r"}, "g", "b"),
        ({"type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"]}, "g", "Green"),
        ({"type": "string", "oneOf": COLOURS}, "g", "b"),
        ({"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}, 0.25, 2),
        ({"type": "integer", "default": 3}, 2, 2.5),
        ({"type": "integer", "enum": [1, 2]}, 2, 3),
        ({"type": "boolean", "default": False}, True, "true"),
        ({"type": "array", "items": {"type": "string", "enum": ["r", "g"]}, "maxItems": 1}, ["r"], ["r", "g"]),
        ({"type": "array", "items": {"anyOf": COLOURS}, "default": ["g"]}, ["r", "g"], ["b"]),
    ],
    ids=str,
)
def test_fields(field: dict[str, Any], good: Any, bad: Any) -> None:
    schema = form("x", x=field)
    forms.check_form(schema)
    schemas.check(schema, {"x": good}, "content")
    for content in ({"x": bad}, {}):
        with pytest.raises(BadInput, match="content"):
            schemas.check(schema, content, "content")


def test_a_field_that_is_not_required_may_be_left_out() -> None:
    schema = form("a", a={"type": "string"}, b={"type": "integer"})
    forms.check_form(schema)
    schemas.check(schema, {"a": ""}, "content")


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({}, "A form is"),
        ({"type": "string"}, "A form is"),
        ({"type": "object"}, "A form is"),
        ({"type": "object", "properties": []}, "A form is|schema"),
        (form("y", x={"type": "string"}), r"required: there is no field 'y'"),
        ({**form(x={"type": "string"}), "allOf": [{}]}, "cannot have allOf"),
        ({**form(x={"type": "string"}), "patternProperties": {}}, "cannot have patternProperties"),
        (form(x={}), r"properties\.x\.type"),
        (form(x=True), r"properties\.x: must be an object"),
        (form(x={"type": "object", "properties": {}}), r"properties\.x: .* cannot have properties"),
        (form(x={"type": "object"}), r"properties\.x\.type: .* flat"),
        (form(x={"type": ["string", "null"]}), r"properties\.x\.type"),
        (form(x={"type": "null"}), r"properties\.x\.type"),
        (form(x={"$ref": "#/$defs/x"}) | {"$defs": {"x": {"type": "string"}}}, r"properties\.x: .* cannot have \$ref"),
        (form(x={"type": "string", "anyOf": COLOURS}), r"properties\.x: a choice"),
        (form(x={"type": "string", "oneOf": [{"type": "string"}]}), r"properties\.x: a choice"),
        (form(x={"type": "integer", "oneOf": COLOURS}), r"properties\.x\.oneOf"),
        (form(x={"type": "string", "enum": ["r"], "enumNames": []}), r"properties\.x\.enumNames"),
        (form(x={"type": "string", "format": "password"}), r"properties\.x\.format"),
        (form(x={"type": "integer", "format": "date"}), r"properties\.x\.format"),
        (form(x={"type": "array"}), r"properties\.x\.items"),
        (form(x={"type": "array", "items": {"type": "string"}}), r"properties\.x\.items"),
        (form(x={"type": "array", "items": {"type": "object"}}), r"properties\.x\.items"),
        (form(x={"type": "string", "default": 1}), r"properties\.x\.default"),
        (form(x={"type": "string", "minLength": "many"}), "schema"),
        (form(**{f"f{n}": {"type": "string"} for n in range(forms.FIELDS_MAX + 1)}), "at most"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_what_is_no_form(schema: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInput, match=where):
        forms.check_form(schema)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://auth.example.com:8443/authorize?client_id=1&state=x#y",
        "http://localhost:8000/callback",
        "http://127.0.0.1/",
        "http://[::1]:8000/",
        "https://xn--bcher-kva.example/",
    ],
)
def test_where_people_may_be_sent(url: str) -> None:
    forms.check_link(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com",
        "http://localhost.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com",
        "//example.com",
        "https://",
        "https:///path",
        "https://bank.example@evil.example/",
        "https://evil.example\\@bank.example/",
        "https://exa mple.com",
        "https://example.com/\n",
        "https://bücher.example",
        "https://[example",
        "https://example.com/" + "x" * 2_048,
    ],
)
def test_where_they_may_not(url: str) -> None:
    with pytest.raises(BadInput, match="url"):
        forms.check_link(url)
