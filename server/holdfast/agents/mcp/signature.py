"""The signature of a tool that somebody else describes: its schema as it came, and arguments checked by it."""

from __future__ import annotations

from typing import Any

from holdfast.core import schemas
from holdfast.core.errors import BadInput
from holdfast.runtime.signatures import Signature


class SchemaSignature(Signature):
    """As of a function whose arguments are the schema's properties, and are given by name."""

    def __init__(self, schema: dict[str, Any]) -> None:
        schemas.usable(schema)
        self._schema = schema
        self.injects = True
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
        return None
