"""A tool as the protocol describes it, from the Struct of its arguments."""

from __future__ import annotations

import inspect

import msgspec
from mcp import types

#: They ask, and change nothing; asking twice is asking once.
ANNOTATIONS = types.ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)


def described(name: str, arguments: type[msgspec.Struct]) -> types.Tool:
    """Its docstring is the description."""
    (schema,), defined = msgspec.json.schema_components([arguments], ref_template="{name}")
    return types.Tool(
        name=name,
        description=inspect.getdoc(arguments),
        input_schema=defined[schema["$ref"]],
        annotations=ANNOTATIONS,
    )
