"""Canonical JSON: RFC 8785's own examples, and what is refused."""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.canonical import MAX_DEPTH, canonical_json, input_hash
from holdfast.core.errors import BadInput

# RFC 8785 appendix B: the bits of a double, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_number_of_the_rfc(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number).decode() == written


def test_example_of_section_3_2_2() -> None:
    source = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    # Section 3.2.4 gives the bytes.
    expected = (
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b33333333333333"
        "33332e333333333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24"
        "5c75303030665c6e4127425c225c5c5c5c5c222f227d"
    )
    assert canonical_json(json.loads(source)).hex() == expected


def test_members_are_sorted_by_utf_16_as_in_section_3_2_3() -> None:
    source = r"""{
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }"""
    assert list(json.loads(canonical_json(json.loads(source))).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_hash_is_lowercase_hex_over_the_bytes() -> None:
    assert input_hash({"b": 1.0, "a": [True]}) == sha256(b'{"a":[true],"b":1}').hexdigest()


def test_what_a_browser_cannot_tell_apart_has_one_hash() -> None:
    assert input_hash({"n": 1, "m": -0.0}) == input_hash({"m": 0, "n": 1.0})
    assert input_hash(1) != input_hash(True)
    assert input_hash("é") != input_hash("e\u0301")


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (2**53, "$"),
        ({"order": {"id": [1, -(2**53)]}}, "$.order.id[1]"),
        ({"a b": [10**30]}, '$["a b"][0]'),
        ({"rate": float("nan")}, "$.rate"),
        ([float("inf")], "$[0]"),
        ([float("-inf")], "$[0]"),
        ({"name": "a\ud800b"}, "$.name"),
        ({"\udc00": 1}, '$["\\udc00"]'),
        ({"a": {1: 2}}, "$.a"),
        ({"when": {1, 2}}, "$.when"),
        (b"bytes", "$"),
        (deep(MAX_DEPTH + 1), "$" + "[0]" * (MAX_DEPTH + 1)),
        (deep(100_000), "$" + "[0]" * (MAX_DEPTH + 1)),
    ],
)
def test_refused_with_its_path(value: Any, path: str) -> None:
    with pytest.raises(BadInput) as caught:
        canonical_json(value)
    assert caught.value.details == {"path": path}
    assert caught.value.message.startswith(f"{path}: ")
    caught.value.message.encode()  # a message can be sent, whatever it is about


def test_the_largest_that_is_taken() -> None:
    largest = 2**53 - 1
    assert canonical_json([largest, -largest]) == b"[9007199254740991,-9007199254740991]"
    assert canonical_json(deep(MAX_DEPTH)).endswith(b"0" + b"]" * MAX_DEPTH)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


def floats_only(value: Any) -> Any:
    """What a browser reads: every number is a double."""
    if isinstance(value, list):
        return [floats_only(item) for item in value]
    if isinstance(value, dict):
        return {key: floats_only(item) for key, item in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(JSON_VALUES)
def test_a_value_that_went_through_json_and_a_browser_has_the_same_hash(value: Any) -> None:
    again = json.loads(json.dumps(value))
    assert input_hash(again) == input_hash(value) == input_hash(floats_only(value))
    assert floats_only(json.loads(canonical_json(value))) == floats_only(value)
