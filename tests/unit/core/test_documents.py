"""The shared document: what a patch does, what is refused, and that it applies whole or not at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import documents
from holdfast.core.documents import PATCH_MAX, STATE_MAX_BYTES, Document
from holdfast.core.errors import BadInput, Conflict, HoldfastError, LimitReached
from holdfast.core.events import StateChanged
from holdfast.core.identity import By

ALICE = By("person", "alice")


def document(**value: Any) -> Document:
    return Document(session="s", value=value, version=3)


def test_a_change_is_told_whole_with_its_version() -> None:
    commit = documents.patching(document(a=1), [{"op": "add", "path": "/b", "value": [True]}], 3, ALICE)
    assert commit.events == [StateChanged(state={"a": 1, "b": [True]}, version=4, by=ALICE)]
    assert commit.puts == [replace(document(a=1), value={"a": 1, "b": [True]})]  # guards version 3


@pytest.mark.parametrize(
    ("patch", "value"),
    [
        ([], {"a": 1, "list": [1, 2]}),
        ([{"op": "remove", "path": "/a"}], {"list": [1, 2]}),
        ([{"op": "replace", "path": "/a", "value": None}], {"a": None, "list": [1, 2]}),
        ([{"op": "add", "path": "/list/-", "value": 3}], {"a": 1, "list": [1, 2, 3]}),
        ([{"op": "move", "from": "/a", "path": "/b"}], {"b": 1, "list": [1, 2]}),
        ([{"op": "copy", "from": "/list", "path": "/b"}], {"a": 1, "list": [1, 2], "b": [1, 2]}),
        ([{"op": "test", "path": "/a", "value": 1}], {"a": 1, "list": [1, 2]}),
        ([{"op": "replace", "path": "", "value": {"new": 1}}], {"new": 1}),
        ([{"op": "add", "path": "/a~1b~0c", "value": 1}], {"a": 1, "list": [1, 2], "a/b~c": 1}),
    ],
)
def test_operations(patch: Any, value: Any) -> None:
    before = document(a=1, list=[1, 2])
    assert documents.patched(before, patch) == value
    assert before == document(a=1, list=[1, 2])


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        ([{"op": "remove", "path": "/none"}], BadInput),
        ([{"op": "replace", "path": "/none", "value": 1}], BadInput),
        ([{"op": "add", "path": "/no/way", "value": 1}], BadInput),
        ([{"op": "add", "path": "/list/9", "value": 1}], BadInput),
        ([{"op": "add", "path": "/list/x", "value": 1}], BadInput),
        ([{"op": "add", "path": "nowhere", "value": 1}], BadInput),
        ([{"op": "add", "path": "/b"}], BadInput),
        ([{"op": "add", "path": 7, "value": 1}], BadInput),
        ([{"op": "copy", "path": "/b"}], BadInput),
        ([{"op": "test", "path": "/none", "value": 1}], BadInput),
        ([{"op": "test", "path": "/a"}], BadInput),
        ([{"path": "/a"}], BadInput),
        ([{"op": "explode", "path": "/a"}], BadInput),
        ([{"op": ["add"], "path": "/a"}], BadInput),
        ([{"op": "replace", "path": "", "value": [1]}], BadInput),
        ([{"op": "add", "path": "/n", "value": 2**60}], BadInput),
        ([{"op": "test", "path": "/a", "value": True}], Conflict),  # 1 is not true
        ([{"op": "test", "path": "/list", "value": [1]}], Conflict),
        ([{"op": "test", "path": "/a", "value": 1}] * (PATCH_MAX + 1), LimitReached),
        ([{"op": "add", "path": "/b", "value": "x" * STATE_MAX_BYTES}], LimitReached),
        ([{"op": "copy", "from": "", "path": f"/{n}"} for n in range(PATCH_MAX)], LimitReached),  # doubles each time
    ],
    ids=str,
)
def test_what_is_refused(patch: Any, error: type[HoldfastError]) -> None:
    before = document(a=1, list=[1, 2])
    with pytest.raises(error):
        documents.patching(before, [{"op": "add", "path": "/first", "value": 1}, *patch][-PATCH_MAX - 1 :], None, ALICE)
    assert before == document(a=1, list=[1, 2])


def test_compare_and_set() -> None:
    with pytest.raises(Conflict) as refused:
        documents.patching(document(a=1), [{"op": "remove", "path": "/a"}], 2, ALICE)
    assert refused.value.details == {"version": 3}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
paths = st.lists(st.sampled_from(["a", "list", "0", "-", "01", "-1", ""]), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
operation = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]) | anything,
        "path": paths | anything,
        "from": paths | anything,
        "value": anything,
    },
)


@given(st.lists(operation, max_size=4))
def test_whatever_is_sent_is_applied_or_refused(patch: list[dict[str, Any]]) -> None:
    before = document(a=1, list=[1, {"b": 2}])
    try:
        value = documents.patched(before, patch)
    except (BadInput, Conflict, LimitReached):
        value = before.value
    assert json.loads(msgspec.json.encode(value)) == value
    assert before == document(a=1, list=[1, {"b": 2}])
