"""A function's signature as a schema: what it takes, checked before anybody is asked; what it gives, kept as JSON."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.core import schemas
from holdfast.core.errors import BadInput


class Signature:
    """The arguments and the result of a function, without those that are injected."""

    def __init__(self, fn: Callable[..., Any], injected: type | None = None) -> None:
        hints = typing.get_type_hints(fn)
        parameters = list(inspect.signature(fn).parameters.values())
        self.injects = bool(injected and parameters and _is(hints.get(parameters[0].name, Any), injected))
        if self.injects:
            parameters = parameters[1:]
        self.names = [parameter.name for parameter in parameters]
        self.returns = hints.get("return", Any)
        self.arguments = _struct(fn, parameters, hints)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The call's arguments as one JSON object.

        Raises:
            BadInput: one is missing, unknown, given twice or of the wrong type.
        """
        if len(args) > len(self.names):
            raise BadInput(f"takes {len(self.names)} arguments, {len(args)} were given")
        named = dict(zip(self.names, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise BadInput(f"{sorted(twice)} were given twice")
        return self.check(msgspec.to_builtins({**named, **kwargs}))

    def check(self, values: Any) -> dict[str, Any]:
        """`values`, validated, with defaults filled in.

        Raises:
            BadInput: with the path of what is wrong.
        """
        try:
            return msgspec.to_builtins(msgspec.convert(values, self.arguments))
        except msgspec.ValidationError as error:
            raise BadInput(str(error)) from None

    def unpack(self, values: dict[str, Any]) -> dict[str, Any]:
        """Validated values as the function's own types."""
        typed = msgspec.convert(values, self.arguments)
        return {name: getattr(typed, name) for name in self.names}

    def keep(self, value: Any) -> Any:
        """A result as JSON values.

        Raises:
            TypeError: it cannot be encoded.
        """
        return msgspec.json.decode(msgspec.json.encode(value))

    def revive(self, kept: Any) -> Any:
        """A kept result as the annotated type: the first run sees what a replay sees."""
        if self.returns in (Any, None, type(None)):
            return kept
        return msgspec.convert(kept, self.returns)

    @property
    def input_schema(self) -> dict[str, Any]:
        return _inline(msgspec.json.schema(self.arguments))

    @property
    def output_schema(self) -> dict[str, Any] | None:
        if self.returns in (Any, inspect.Signature.empty):
            return None
        return _inline(msgspec.json.schema(self.returns))


class SchemaSignature(Signature):
    """Of what somebody else describes: its schema as it came, and arguments checked by it and given by name."""

    def __init__(self, schema: dict[str, Any], output: dict[str, Any] | None = None, *, injects: bool = True) -> None:
        """Raises BadInput: a schema is none."""
        for one in (schema, output):
            if one is not None:
                schemas.usable(one)
        self._schema, self._output = schema, output
        self.injects = injects
        self.names = []
        self.returns = Any

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if args:
            raise BadInput("takes its arguments by name")
        return self.check(kwargs)

    def check(self, values: Any) -> dict[str, Any]:
        schemas.check(self._schema, values, "input")
        return values

    def unpack(self, values: dict[str, Any]) -> dict[str, Any]:
        return values

    @property
    def input_schema(self) -> dict[str, Any]:
        return self._schema

    @property
    def output_schema(self) -> dict[str, Any] | None:
        return self._output


def _struct(fn: Callable[..., Any], parameters: list[inspect.Parameter], hints: dict[str, Any]) -> type[msgspec.Struct]:
    fields: list[Any] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{fn.__qualname__}: *{parameter.name} has no schema; name each argument")
        hint = hints.get(parameter.name, Any)
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, parameter.default))
    made = msgspec.defstruct(fn.__name__, fields, kw_only=True, forbid_unknown_fields=True, module=fn.__module__)
    try:
        msgspec.json.schema(made)
    except TypeError as error:
        raise TypeError(f"{fn.__qualname__}: an argument has no JSON schema: {error}") from None
    return made


def _is(hint: Any, kind: type) -> bool:
    return hint is kind or typing.get_origin(hint) is kind


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose root is the object itself; what it refers to stays in `$defs`."""
    definitions = schema.pop("$defs", {})
    if "$ref" in schema:
        root = definitions.pop(schema["$ref"].rpartition("/")[2])
        schema = {**root}
    return {**schema, "$defs": definitions} if definitions else schema
