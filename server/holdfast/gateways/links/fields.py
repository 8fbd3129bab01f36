"""The fields of a form: read from the schema that its answer must fit, shown on the page, and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from holdfast.core.errors import BadInput
from holdfast.core.interrupts import Interrupt
from holdfast.gateways.links.words import title

#: What stands before the name of a field, so that none is taken for another part of the page.
PREFIX = "field:"
FieldKind = Literal["text", "email", "url", "date", "number", "checkbox", "select", "several"]
_INPUTS: dict[str, FieldKind] = {"email": "email", "uri": "url", "date": "date"}


class Field(msgspec.Struct, frozen=True):
    """One field of a form."""

    name: str
    label: str
    kind: FieldKind
    required: bool
    told: str | None = None
    #: Of a number: whether it must be whole.
    whole: bool = False
    #: What may be chosen: the value itself, and how it is called.
    options: tuple[tuple[Any, str], ...] = ()
    default: Any = None

    @property
    def id(self) -> str:
        return PREFIX + self.name

    def chosen(self, place: int, sent: Mapping[str, Sequence[str]]) -> bool:
        """Whether an option is, as it was sent, or at first as its default."""
        if sent:
            return str(place) in sent.get(self.id, ())
        value = self.options[place][0]
        return value in (_listed(self.default) or ([] if self.default is None else [self.default]))

    def text(self, sent: Mapping[str, Sequence[str]]) -> str:
        """What stands in it."""
        if sent:
            return next(iter(sent.get(self.id, ())), "")
        return "" if self.default is None else str(self.default)

    def ticked(self, sent: Mapping[str, Sequence[str]]) -> bool:
        return self.id in sent if sent else self.default is True


def fields(shown: Interrupt) -> list[Field] | None:
    """The fields of a form, in their order. None: it has some that a page without a script cannot ask for."""
    if shown.kind != "form" or shown.responseSchema is None:
        return None
    required = _listed(shown.responseSchema.get("required"))
    properties = _object(shown.responseSchema.get("properties"))
    made = [_field(name, _object(schema), name in required) for name, schema in properties.items()]
    found = [field for field in made if field is not None]
    return found if found and len(found) == len(made) else None


def content_of(asked: list[Field], sent: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What was filled in, as the schema names it. What was left empty is absent.

    Raises:
        BadInput: a number is none, or a choice is not among those that there are.
    """
    content: dict[str, Any] = {}
    for field in asked:
        value = _value(field, sent)
        if value is not None:
            content[field.name] = value
    return content


def _field(name: str, schema: dict[str, Any], required: bool) -> Field | None:
    label = schema["title"] if isinstance(schema.get("title"), str) else title(name)
    told = schema["description"] if isinstance(schema.get("description"), str) else None
    default = schema.get("default")
    several = schema.get("type") == "array"
    options = _options(_object(schema.get("items")) if several else schema)
    if options:
        return Field(name, label, "several" if several else "select", required, told, False, options, default)
    match schema.get("type"):
        case "string":
            kind = _INPUTS.get(str(schema.get("format")), "text")
            return Field(name, label, kind, required, told, default=default)
        case "integer" | "number" as number:
            return Field(name, label, "number", required, told, number == "integer", default=default)
        case "boolean":
            return Field(name, label, "checkbox", False, told, default=default)
        case _:
            return None


def _options(schema: dict[str, Any]) -> tuple[tuple[Any, str], ...]:
    titled = [_object(one) for one in (_listed(schema.get("oneOf")) or _listed(schema.get("anyOf")))]
    if titled and all("const" in one for one in titled):
        return tuple((one["const"], str(one.get("title", one["const"]))) for one in titled)
    return tuple((one, str(one)) for one in _listed(schema.get("enum")))


def _value(field: Field, sent: Mapping[str, Sequence[str]]) -> Any:
    given = list(sent.get(field.id, ()))
    match field.kind:
        case "checkbox":
            return bool(given)
        case "several":
            return [_choice(field, one) for one in given]
        case "select":
            return _choice(field, given[0]) if given and given[0] else None
        case "number":
            return _number(field, given[0].strip()) if given and given[0].strip() else None
        case _:
            return given[0] if given and given[0] else None


def _choice(field: Field, place: str) -> Any:
    """Choices are sent by their place: what they are may be more than a text."""
    if not (place.isascii() and place.isdecimal() and len(place) < 6 and int(place) < len(field.options)):
        raise BadInput(f"{field.label}: please choose one of those that there are.")
    return field.options[int(place)][0]


def _number(field: Field, text: str) -> int | float:
    try:
        value = int(text) if field.whole else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInput(f"{field.label}: please give a {'whole number' if field.whole else 'number'}.")
    return value


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
