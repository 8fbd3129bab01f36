"""The export: what is read is what was written, to the byte, and what is no export is named."""

from __future__ import annotations

import csv

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core import chain, exporting
from holdfast.core.audit import AuditEntry
from holdfast.core.chain import Link
from holdfast.core.errors import BadRequest
from holdfast.core.exporting import Record
from holdfast.core.identity import By
from holdfast.core.verifying import Head

ENTRY = msgspec.json.encode(AuditEntry("session.created", "s1", By("person", "=cmd|' /C calc'!A0")))

stored = st.one_of(
    st.binary(max_size=40), st.sampled_from([ENTRY, b"{}", b' {"a": 1}', b'{"a":\n1}', b"[1, 2]", b'"\xff"'])
)


def lines(*told: Record, partitions: int = 1) -> list[bytes]:
    return [exporting.first_line(partitions), *(exporting.line(0, record) for record in told)]


@given(data=stored, at=st.integers(0, 2**53), extra=st.integers(0, 2**64 - 1))
def test_an_entry_comes_back_to_the_byte(data: bytes, at: int, extra: int) -> None:
    told: list[Record] = [Head(0, 1), Link(1, at, data, extra)]
    written = lines(*told)
    assert all(b"\n" not in one for one in written)
    assert [record for _, record in exporting.records(written)] == told


def test_a_seal_comes_back() -> None:
    made = chain.seal(b"k" * 32, 0, None, [Link(1, 1, ENTRY)], 2)
    assert list(exporting.records(lines(Head(0, 1, 1), made))) == [(0, Head(0, 1, 1)), (0, made)]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ([b'{"type":"other"}'], "no export"),
        ([b"partition,number"], "Line 1 "),
        ([exporting.first_line(1), b"{"], "Line 2 "),
        ([exporting.first_line(1), b'{"type":"other"}'], "Line 2 "),
        ([exporting.first_line(1), b'{"type":"entry","bytes":"?"}'], "Line 2 "),
        (lines(Head(0, 0), partitions=2), "all 2 partitions"),
        ([], "ends before"),
    ],
)
def test_what_is_no_export_is_said(written: list[bytes], why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        list(exporting.records(written))


def test_a_row_names_the_columns_and_runs_nowhere() -> None:
    [cells] = csv.reader([exporting.csv_row(3, Link(7, 0, ENTRY))])
    row = dict(zip(exporting.COLUMNS, cells, strict=True))
    assert (row["partition"], row["number"], row["action"]) == ("3", "7", "session.created")
    assert row["time"] == "1970-01-01 00:00:00Z"
    assert row["by"].startswith("'="), "a spreadsheet would run it"


def test_what_cannot_be_read_has_a_row_too() -> None:
    assert "unreadable" in exporting.csv_row(0, Link(1, -1, b"\xff"))
