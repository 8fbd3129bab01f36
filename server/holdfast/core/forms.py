"""Forms: what a person can be asked to fill in. A flat object of plain fields, so that every device can show it.

The fields are those of MCP's and AG-UI's elicitation: strings (with the formats email, uri, date and date-time, or a
choice), numbers, integers, booleans, and several of a choice; each with a title, a description and a default. What
cannot be a form is refused when it is opened, not when the first phone fails to draw it.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from holdfast.core import schemas
from holdfast.core.errors import BadInput

FIELDS_MAX = 50  # more are several forms
FORMATS = ("email", "uri", "date", "date-time")
TYPES = ("string", "number", "integer", "boolean", "array")
URL_MAX = 2_048  # characters: what every browser takes
LOOPBACK = ("localhost", "127.0.0.1", "::1")

#: What makes a value of a shape that no field has.
_NESTING = frozenset(
    {
        *("$ref", "$dynamicRef", "allOf", "not", "if", "then", "else"),
        *("properties", "patternProperties", "additionalProperties", "prefixItems", "contains"),
        *("dependentSchemas", "dependentRequired"),
    }
)

Schema = dict[str, Any]


def check_form(schema: Schema) -> None:
    """Let pass what can be a form.

    Raises:
        BadInput: with the field, and what it may be.
    """
    schemas.usable(schema)
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise BadInput('A form is {"type": "object", "properties": {…}}.', path="schema")
    if odd := sorted(_NESTING.difference(("properties", "additionalProperties")).intersection(schema)):
        raise BadInput(f"schema: a form has fields; it cannot have {', '.join(odd)}.", path="schema")
    properties = cast("dict[str, Schema]", schema["properties"])
    if len(properties) > FIELDS_MAX:
        raise BadInput(f"A form has at most {FIELDS_MAX} fields.", limit=FIELDS_MAX)
    for name, field in properties.items():
        _check_field(schemas.path("schema.properties", [name]), field)
    if unknown := [name for name in schema.get("required", []) if name not in properties]:
        raise BadInput(f"schema.required: there is no field {unknown[0]!r}.", path="schema.required")


def check_link(url: str) -> None:
    """Let pass an address to which people can be sent: https, or http on this machine.

    Raises:
        BadInput: it is none, or shows another host than the one to which it leads.
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_MAX:
        raise BadInput(f"url: at most {URL_MAX} printable ASCII characters, without blanks.", path="url")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadInput(f"url: {error}.", path="url") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not safe or not parts.hostname or "\\" in url:
        raise BadInput("url: must be https://…, or http:// on this machine.", path="url")
    if "@" in parts.netloc:
        raise BadInput("url: must not name a user before its host: it would be taken for the host.", path="url")


def _check_field(where: str, field: Any) -> None:
    if not isinstance(field, dict):
        raise BadInput(f"{where}: must be an object.", path=where)
    schema = cast("Schema", field)
    kind = schema.get("type")
    if odd := sorted(_NESTING.intersection(schema)):
        raise BadInput(f"{where}: a field holds one plain value; it cannot have {', '.join(odd)}.", path=where)
    if kind not in TYPES:
        raise BadInput(f"{where}.type: one of {', '.join(TYPES)}; a form is flat.", path=where)
    if kind == "array":
        _check_several(where, schema)
    else:
        _check_one(where, schema, kind)
    if "default" in schema:
        schemas.check(schema, schema["default"], f"{where}.default")


def _check_one(where: str, schema: Schema, kind: str) -> None:
    if "anyOf" in schema or ("oneOf" in schema and not _titled(schema["oneOf"])):
        raise BadInput(f"{where}: a choice is `enum`, or `oneOf` with a `const` and a `title` each.", path=where)
    if "oneOf" in schema and kind != "string":
        raise BadInput(f"{where}.oneOf: a choice with titles is one of strings.", path=where)
    names, options = schema.get("enumNames"), schema.get("enum", [])
    if names is not None and (not isinstance(names, list) or len(cast("list[Any]", names)) != len(options)):
        raise BadInput(f"{where}.enumNames: one title for each of `enum`.", path=where)
    if "format" in schema and (kind != "string" or schema["format"] not in FORMATS):
        raise BadInput(f"{where}.format: of strings, one of {', '.join(FORMATS)}.", path=where)


def _check_several(where: str, schema: Schema) -> None:
    """Several of a choice: the only list that a form has."""
    given: object = schema.get("items")
    items = cast("Schema", given) if isinstance(given, dict) else {}
    plain = items.get("type") == "string" and isinstance(items.get("enum"), list)
    if not plain and not _titled(items.get("anyOf", items.get("oneOf"))):
        raise BadInput(
            f"{where}.items: several of a choice: strings with `enum`, or `anyOf` with a `const` and a `title` each.",
            path=where,
        )


def _titled(options: Any) -> bool:
    """Whether these are choices with titles."""
    if not isinstance(options, list) or not options:
        return False
    return all(
        isinstance(option, dict) and isinstance(cast("Schema", option).get("const"), str)
        for option in cast("list[Any]", options)
    )
