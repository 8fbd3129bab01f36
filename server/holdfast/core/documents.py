"""The shared document of a session, its *state*: a small JSON object that devices and agents change by patches.

A patch is JSON Patch (RFC 6902), as AG-UI's state deltas are. The document's version counts its changes: who gives the
version that a patch was made for has it refused if another was faster (compare and set); who gives none has it applied
to whatever stands, and may say by `test` operations what must.
"""

from __future__ import annotations

from typing import Any, cast

import jsonpatch
import jsonpointer
import msgspec
from msgspec.structs import replace

from holdfast.core.canonical import canonical_json
from holdfast.core.commit import Commit
from holdfast.core.errors import BadInput, Conflict, LimitReached
from holdfast.core.events import StateChanged
from holdfast.core.identity import By
from holdfast.core.records import Record

STATE_MAX_BYTES = 64 * 1024  # of JSON: it is in every snapshot and in each of its events
PATCH_MAX = 100  # operations of one patch: each may be as large as the document

Operations = list[dict[str, Any]]


class Document(Record, frozen=True, omit_defaults=True, kw_only=True):
    """What is stored of a session's state. Its record's version is the version that everybody sees."""

    kind = "state"
    session: str
    value: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])

    @property
    def id(self) -> str:
        return self.session


def patching(document: Document, patch: Operations, version: int | None, by: By) -> Commit:
    """The commit that changes it, and tells everybody the whole of it.

    Raises:
        Conflict: it has another version by now, or a `test` of the patch failed. Details have its version.
        BadInput: the patch cannot be applied.
        LimitReached: it would be too large.
    """
    if version is not None and version != document.version:
        raise Conflict(f"The state has version {document.version} by now.", version=document.version)
    value = patched(document, patch)
    changed = StateChanged(state=value, version=document.version + 1, by=by)
    return Commit(document.session, "state", puts=[replace(document, value=value)], events=[changed])


def patched(document: Document, patch: Operations) -> dict[str, Any]:
    """What it is after the patch: all of its operations, or an error."""
    if len(patch) > PATCH_MAX:
        raise LimitReached(f"A patch has at most {PATCH_MAX} operations.", limit=PATCH_MAX)
    value: Any = msgspec.json.decode(msgspec.json.encode(document.value))  # a copy: it is changed in place
    for place, operation in enumerate(patch):
        value = _applied(value, operation, f"patch[{place}]", document.version)
        # After each: copies that double a value would be large long before the last of them.
        if len(canonical_json(value)) > STATE_MAX_BYTES:
            raise LimitReached(f"A state has at most {STATE_MAX_BYTES} bytes of JSON.", limit=STATE_MAX_BYTES)
    if not isinstance(value, dict):
        raise BadInput("patch: a state must stay an object.", path="patch")
    return cast("dict[str, Any]", value)


def _applied(value: Any, operation: dict[str, Any], where: str, version: int) -> Any:
    try:
        if operation.get("op") == "test":
            return _tested(value, operation, where, version)
        return jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{where}: {error}", path=where) from None


def _tested(value: Any, operation: dict[str, Any], where: str, version: int) -> Any:
    """A `test`, by canonical JSON: to Python, 1 equals true."""
    found = jsonpointer.resolve_pointer(value, operation["path"])
    if canonical_json(found) != canonical_json(operation["value"]):
        raise Conflict(f"{where}: {operation['path']} has another value.", version=version, path=where)
    return value
