"""Canonical JSON (RFC 8785): one value, one sequence of bytes, in every language.

An answer is bound to what was shown by the hash of these bytes (promise 6). Numbers are IEEE 754 doubles
there, so an integer that a browser would round is refused instead of hashed to something else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, cast

import rfc8785

from holdfast.core.errors import BadInput

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785 appendix D, and JavaScript's Number.MAX_SAFE_INTEGER
MAX_DEPTH = 100  # far below Python's recursion limit, so that it is the same wherever it is called

_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


def canonical_json(value: object) -> bytes:
    """Encode a JSON value as RFC 8785 says.

    Takes what JSON decoding gives (tuples count as arrays). Raises `BadInput`, with the place as its
    `path`, for what has no canonical form: integers beyond 2^53 - 1, NaN and infinities, half surrogate
    pairs, keys that are not strings, more than 100 levels, and types that are not JSON's.
    """
    for path, problem in _problems(value, "$", 0):
        raise BadInput(f"{path}: {problem}", path=path)
    return rfc8785.dumps(cast("Any", value))


def input_hash(value: object) -> str:
    """SHA-256 over the canonical JSON, in lowercase hex; raises as `canonical_json` does."""
    return sha256(canonical_json(value)).hexdigest()


def _problems(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        yield path, f"is nested more than {MAX_DEPTH} levels deep"
        return
    match value:
        case None | bool():
            pass
        case str():
            yield from _string_problems(value, path)
        case int() if abs(value) > MAX_SAFE_INTEGER:
            yield path, "is an integer beyond 2^53 - 1; send it as a string"
        case float() if not math.isfinite(value):
            yield path, f"is {value}, which JSON cannot say"
        case int() | float():
            pass
        case list() | tuple():
            for index, item in enumerate(cast("list[object]", value)):
                yield from _problems(item, f"{path}[{index}]", depth + 1)
        case dict():
            yield from _object_problems(cast("dict[object, object]", value), path, depth)
        case _:
            yield path, f"is a {type(value).__name__}, which is not JSON"


def _object_problems(value: dict[object, object], path: str, depth: int) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if not isinstance(key, str):
            yield path, f"has the key {key!r}, which is not a string"
            continue
        inner = f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{json.dumps(key)}]"
        yield from _string_problems(key, inner)
        yield from _problems(item, inner, depth + 1)


def _string_problems(value: str, path: str) -> Iterator[tuple[str, str]]:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        yield path, f"has half a surrogate pair, U+{ord(value[error.start]):04X}"
