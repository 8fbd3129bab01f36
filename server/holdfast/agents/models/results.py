"""The type of a turn's result: the model gives a value of it by calling a tool that is not the agent's."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_ai.tools import ToolDefinition

from holdfast.agents.models.answering import Proposed

TOOL = "final_result"
WRAPPED = "value"  # a tool's arguments are an object: what is none goes into one


class Given(msgspec.Struct, frozen=True):
    """What the model gave, as JSON values."""

    value: Any


class OutputType:
    """A msgspec or pydantic type, a dataclass, or a plain type such as `list[str]`.

    Raises:
        TypeError: it has no JSON schema.
    """

    def __init__(self, type_: Any) -> None:
        self._type = type_
        self._own = isinstance(type_, type) and issubclass(type_, msgspec.Struct)
        schema = self._schema()
        self._wrapped = schema.get("type") != "object"
        if self._wrapped:
            definitions = schema.pop("$defs", {})
            schema = {"type": "object", "properties": {WRAPPED: schema}, "required": [WRAPPED]}
            schema |= {"$defs": definitions} if definitions else {}
        self.tool = ToolDefinition(
            name=TOOL,
            parameters_json_schema=schema,
            description="Give the final result. Call it alone, when everything else is done.",
            kind="output",
        )

    def _schema(self) -> dict[str, Any]:
        if not self._own:
            try:
                return TypeAdapter(self._type).json_schema()
            except PydanticUserError as error:
                raise TypeError(f"output={self._type!r} has no JSON schema: {error}") from None
        schema = msgspec.json.schema(self._type)
        definitions: dict[str, Any] = schema["$defs"]
        root = definitions.pop(schema["$ref"].rpartition("/")[2])
        return {**root, "$defs": definitions} if definitions else root

    def read(self, call: Proposed) -> Given | None:
        """The value, or None if it does not fit."""
        try:
            return Given(self._checked(call))
        except (ValidationError, msgspec.ValidationError, KeyError):
            return None

    def wrong_with(self, call: Proposed) -> str:
        try:
            self._checked(call)
        except (ValidationError, msgspec.ValidationError, KeyError) as error:
            return f"The result does not fit: {error}."
        return f"{TOOL} was called beside other tools."

    def _checked(self, call: Proposed) -> Any:
        value = call.input[WRAPPED] if self._wrapped else call.input
        if self._own:
            return msgspec.to_builtins(msgspec.convert(value, self._type))
        adapter: TypeAdapter[Any] = TypeAdapter(self._type)
        return adapter.dump_python(adapter.validate_python(value), mode="json")
