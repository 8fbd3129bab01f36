"""The export of the audit trail: JSON Lines that verify by themselves, and CSV for people.

    {"type":"trail","format":1,"partitions":16}        the first line
    {"type":"head","partition":0,"given":3,…}          of each partition, followed by
    {"type":"seal",…}                                  a seal, followed by
    {"type":"entry","partition":0,"number":1,"at":…,"entry":{…}}

The bytes of an entry stand in its line as they were stored: a program that writes the file anew breaks the proof.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
from collections.abc import Iterable

import msgspec
from msgspec.structs import asdict

from holdfast.core.audit import AuditEntry
from holdfast.core.chain import Link, Seal, decode_seal, encode_seal
from holdfast.core.errors import BadRequest
from holdfast.core.verifying import Head

FORMAT = 1
Record = Head | Seal | Link
COLUMNS = (
    "partition", "number", "at", "time", "action", "session", "by", "by_kind", "actor", "deputy_for", "turn",
    "interrupt", "operation", "tool", "rule", "status", "outcome", "to", "right", "via", "device", "latency_ms", "ref",
    "inputHash", "effectiveHash", "digest", "name", "until",
)  # fmt: skip

_NOTHING = msgspec.Raw(b"")  # a union of Raw with None is not read as Raw


class _Line(msgspec.Struct, omit_defaults=True):
    """Any line: fields that its type has not are absent."""

    type: str
    partition: int = -1
    format: int = 0
    partitions: int = 0
    given: int = 0
    seals: int = 0
    floor: int = 0
    number: int = 0
    at: int = 0
    extra: int = 0
    entry: msgspec.Raw = _NOTHING
    #: Instead of `entry`, in base64: what stands there is not JSON.
    bytes: str | None = None
    seal: msgspec.Raw = _NOTHING


def first_line(partitions: int) -> bytes:
    """How an export begins."""
    return msgspec.json.encode(_Line("trail", format=FORMAT, partitions=partitions))


def line(partition: int, record: Record) -> bytes:
    """One record, without the end of its line."""
    if isinstance(record, Head):
        said = _Line("head", partition, given=record.given, seals=record.seals, floor=record.floor)
    elif isinstance(record, Seal):
        said = _Line("seal", partition, number=record.number, seal=msgspec.Raw(encode_seal(record)))
    else:
        said = _Line("entry", partition, number=record.number, at=record.at, extra=record.extra)
        if _is_one_line(record.data):
            said.entry = msgspec.Raw(record.data)
        else:
            said.bytes = base64.b64encode(record.data).decode()
    return msgspec.json.encode(said)


def records(lines: Iterable[bytes]) -> Iterable[tuple[int, Record]]:
    """What an export holds.

    Raises:
        BadRequest: it is no export, or a line of it cannot be read, with its number; or partitions are missing.
    """
    partitions, heads = -1, set[int]()
    for number, text in enumerate(lines, 1):
        said = _said(number, text)
        if number == 1:
            if said.type != "trail" or said.format != FORMAT:
                raise BadRequest("This is no export of an audit trail in JSON Lines.")
            partitions = said.partitions
            continue
        record = _record(number, said)
        if isinstance(record, Head):
            heads.add(said.partition)
        yield said.partition, record
    if partitions < 0 or heads != set(range(partitions)):
        raise BadRequest(f"The file ends before it has told of all {max(partitions, 0)} partitions.")


def _said(number: int, text: bytes) -> _Line:
    try:
        return msgspec.json.decode(text, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"Line {number} is not one of an export: {error}") from None


def _record(number: int, said: _Line) -> Record:
    if said.type == "head":
        return Head(said.partition, said.given, said.seals, said.floor)
    if said.type == "seal":
        return decode_seal(said.number, said.partition, bytes(said.seal))
    if said.type == "entry":
        return Link(said.number, said.at, _data(number, said), said.extra)
    raise BadRequest(f"Line {number} is not one of an export: {said.type!r}.")


def _data(number: int, said: _Line) -> bytes:
    if said.bytes is None:
        return bytes(said.entry)
    try:
        return base64.b64decode(said.bytes, validate=True)
    except ValueError as error:
        raise BadRequest(f"Line {number} is not one of an export: {error}") from None


def _is_one_line(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return data == data.strip() and b"\n" not in data and b"\r" not in data


class Row:
    """Takes what csv writes, a row at a time."""

    def __init__(self) -> None:
        self._text = ""
        self._writer = csv.writer(self, lineterminator="\n")

    def write(self, text: str) -> int:
        self._text = text
        return len(text)

    def of(self, cells: Iterable[object]) -> str:
        """One row. No cell begins as a formula does: names come from outside, and spreadsheets run what they open."""
        self._writer.writerow([_harmless("" if cell is None else str(cell)) for cell in cells])
        return self._text


def csv_row(partition: int, link: Link) -> str:
    """One entry as a row of COLUMNS."""
    entry = decode_entry(link)
    fields = asdict(entry) if entry else {"action": "unreadable"}
    by = entry.by if entry else None
    fields |= {"partition": partition, "number": link.number, "at": link.at, "time": instant(link.at)}
    fields |= {"by": by and by.id, "by_kind": by and by.kind, "actor": by and by.actor}
    fields |= {"deputy_for": by and by.deputyFor, "to": " ".join(entry.to) if entry else None}
    return Row().of(fields.get(name) for name in COLUMNS)


def decode_entry(link: Link) -> AuditEntry | None:
    """What its bytes say; None if they were tampered with so that they say nothing."""
    try:
        return msgspec.json.decode(link.data, type=AuditEntry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def instant(at_ms: int) -> str:
    """An instant as people and spreadsheets read it, in UTC."""
    try:
        at = dt.datetime.fromtimestamp(at_ms / 1_000, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
