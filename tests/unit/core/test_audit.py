"""The trail's entries: no body is in them, and the digest says nothing without the salt."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.core.audit import AuditEntry, digest
from holdfast.core.errors import BadInput
from holdfast.core.identity import By


def test_a_digest_is_of_the_value_and_not_of_how_it_was_written() -> None:
    assert digest("salt", {"a": 1, "b": [1.0]}) == digest("salt", {"b": [1], "a": 1})


@pytest.mark.parametrize("other", [("pepper", {"a": 1}), ("salt", {"a": 2}), ("salt", None)])
def test_another_salt_or_body_is_another_digest(other: tuple[str, object]) -> None:
    assert digest("salt", {"a": 1}) != digest(*other)


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(BadInput):
        digest("salt", {"n": 2**60})


def test_an_entry_has_no_number_no_time_and_no_body() -> None:
    # The store gives the first two; the third lives with the session and is erased with it.
    assert not {"number", "at", "payload", "input", "reason"} & set(AuditEntry.__struct_fields__)


def test_an_entry_comes_back_as_it_went() -> None:
    entry = AuditEntry("interrupt.closed", "s", By("deadline", "deadline"), status="expired", digest="d")
    assert msgspec.json.decode(msgspec.json.encode(entry), type=AuditEntry) == entry
