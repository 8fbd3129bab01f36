"""Verifying the trail: fed with what the store or an export has, it says the first thing that is wrong.

Each partition has a chain of its own and is fed in this order:

    Head, Seal, its entries, Seal, its entries, …, the entries that nobody has sealed yet

Without anchors nobody can tell a trail from what the same trail was earlier, if a whole store was put back; with
anchors that is found too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from holdfast.core.chain import TAG_BYTES, Anchor, Link, Seal, follow, genuine, start, tags_of

T = TypeVar("T")


class Head(msgspec.Struct, frozen=True):
    """What a partition of the store says of its trail. Only seals are proof; this tells what must be there."""

    partition: int
    #: The last number that an entry was given.
    given: int
    #: The number of the last seal.
    seals: int = 0
    #: Entries up to here were let go by retention; as the last seal says, too.
    floor: int = 0


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong, first of all, in a partition. `entry` is None where it is about a seal."""

    partition: int
    what: str
    entry: int | None = None

    def __str__(self) -> str:
        where = f"entry {self.entry}" if self.entry is not None else "the seals"
        return f"partition {self.partition}, {where}: {self.what}"


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one partition's trail."""

    partition: int
    #: Entries that are there and proven.
    sealed: int
    #: Entries behind the last seal: nothing can be said of them yet, but that their numbers are dense.
    unsealed: int
    #: Entries up to here were let go by retention.
    floor: int = 0
    finding: Finding | None = None


class _Bad(Exception):
    def __init__(self, what: str, entry: int | None = None) -> None:
        self.what, self.entry = what, entry


class Check:
    """One partition. Feed it, then ask for its `verdict`; after the first finding it looks no further."""

    def __init__(self, head: Head, keys: Mapping[str, bytes], anchors: Iterable[Anchor] = ()) -> None:
        self._head, self._keys = head, keys
        self._anchors = {anchor.number: anchor for anchor in anchors if anchor.partition == head.partition}
        self._finding: Finding | None = None
        self._last: Seal | None = None
        self._current: Seal | None = None
        self._tags: list[bytes] = []
        self._value = b""
        self._place = 0
        self._sealed = self._unsealed = 0

    def seal(self, seal: Seal) -> None:
        """The next seal; its entries follow."""
        self._guarded(self._seal, seal)

    def entry(self, link: Link) -> None:
        """The next entry."""
        self._guarded(self._entry, link)

    def verdict(self) -> Verdict:
        """The end: nothing may be missing."""
        self._guarded(self._end, None)
        head = self._head
        return Verdict(head.partition, self._sealed, self._unsealed, head.floor, self._finding)

    def _guarded(self, step: Callable[[T], None], argument: T) -> None:
        if self._finding is not None:
            return
        try:
            step(argument)
        except _Bad as bad:
            self._finding = Finding(self._head.partition, bad.what, bad.entry)

    def _seal(self, seal: Seal) -> None:
        self._close()
        self._check_order(seal)
        if not genuine(seal, self._keys):
            raise _Bad(self._why_not_genuine(seal))
        anchor = self._anchors.get(seal.number)
        if anchor is not None and (anchor.last, anchor.chain) != (seal.last, seal.chain):
            raise _Bad(f"seal {seal.number} is not the one of its anchor: the trail was written anew", seal.first)
        self._adopt(seal)

    def _check_order(self, seal: Seal) -> None:
        last, floor = self._last, self._head.floor
        if last is None and not floor and seal.number != 1:
            raise _Bad("seal 1 is missing")
        if last is not None and seal.number != last.number + 1:
            raise _Bad(f"seal {last.number + 1} is missing")
        if last is None and floor and seal.last > floor:
            raise _Bad(f"the seal that ends at {floor}, up to which entries were let go, is missing")
        if last is not None and seal.first != last.last + 1:
            raise _Bad(f"seal {seal.number} does not go on where the one before it ends")

    def _why_not_genuine(self, seal: Seal) -> str:
        if seal.mac and seal.key not in self._keys:
            return f"seal {seal.number} is under the key {seal.key or '?'}, which was not given (HOLDFAST_AUDIT_KEY)"
        return f"seal {seal.number} is not as it was made"

    def _adopt(self, seal: Seal) -> None:
        before, self._last = self._last, seal
        if seal.last <= self._head.floor:
            self._current, self._place = None, seal.last  # its entries were let go: only its end counts
            return
        key = self._keys[seal.key]
        self._value = start(key, seal.partition, before)
        self._current, self._tags = seal, tags_of(seal)

    def _entry(self, link: Link) -> None:
        if link.number <= self._head.floor:
            return  # let go, and not swept away yet
        expected = self._place + 1
        if link.extra or link.number < expected:
            raise _Bad("it was inserted: this number was given once", link.number)
        if link.number > self._head.given:
            raise _Bad(f"it was inserted: numbers were given up to {self._head.given}", link.number)
        if link.number > expected:
            raise _Bad("it is missing", expected)
        self._place = link.number
        if self._current is None or link.number > self._current.last:
            self._unsealed += 1
            return
        self._value = follow(self._keys[self._current.key], self._value, link)
        if self._tags[link.number - self._current.first] != self._value[:TAG_BYTES]:
            raise _Bad("it is not what was sealed: its bytes, its time or its place were changed", link.number)
        self._sealed += 1

    def _close(self) -> None:
        current = self._current
        if current is None:
            return
        if self._place < current.last:
            raise _Bad("it is missing", self._place + 1)
        if current.last >= current.first and self._value.hex() != current.chain:
            raise _Bad("the chain does not end in what was sealed", current.last)

    def _end(self, _: None) -> None:
        self._close()
        number = self._last.number if self._last else 0
        if number < self._head.seals:
            raise _Bad(f"seal {number + 1} is missing")
        if (self._last.floor if self._last else 0) != self._head.floor:
            raise _Bad("it is not said by a seal up to where entries were let go")
        for anchor in self._anchors.values():
            if anchor.number > number:
                raise _Bad(f"seal {anchor.number} is missing, of which there is an anchor", anchor.last)
        if self._place < self._head.given:
            raise _Bad("it is missing", self._place + 1)
