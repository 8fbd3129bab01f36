"""The chain of the audit trail: each entry's link hangs on the one before it, and seals say how far it goes.

    value(0)  = HMAC(key, "… begins" partition)
    value(n)  = HMAC(key, value(n - 1) · number · at · bytes of entry n)

A seal names a run of entries and the value after the last of them, under a MAC of its own. Who has no key cannot
change, drop, insert or reorder an entry so that the values still agree. The first bytes of every value are kept in
the seal too: so it can be said which entry is the bad one, and not only that there is one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

TAG_BYTES = 8  # of each value, kept in the seal to find the bad entry; the proof is the whole value at its end
KEY_INFO = b"holdfast audit 1"  # HKDF's: the trail's key is of no use for tokens, nor the other way round
_BEGINS = b"holdfast audit chain begins "
_SEALS = b"holdfast audit seal "
_NAMES = b"holdfast audit key"


class Link(msgspec.Struct, frozen=True):
    """One entry as the store has it: its number, its instant, its bytes."""

    number: int
    at: int
    data: bytes
    #: The store numbers entries n-0. Anything else was not written by a commit.
    extra: int = 0

    @property
    def place(self) -> str:
        return f"{self.number}-{self.extra}"


class Seal(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename={"first": "from", "last": "to"}):
    """What says that the entries `first`..`last` of a partition are these. Numbered densely, from 1.

    `last` = `first` - 1 seals no entry: it only moves the floor.
    """

    number: int
    partition: int
    first: int
    last: int
    #: The chain's value after `last`, in hex.
    chain: str
    #: By the store's clock (ms).
    at: int
    #: Entries up to here were let go by retention; 0: none.
    floor: int = 0
    #: Which key it is under: a name that does not give it away.
    key: str = ""
    #: The first bytes of each entry's value, in base64.
    tags: str = ""
    mac: str = ""


class Anchor(msgspec.Struct, frozen=True, rename={"last": "to"}):
    """What is kept of a seal outside of the store: who holds it can tell that the store was put back."""

    partition: int
    number: int
    last: int
    chain: str
    at: int

    @classmethod
    def of(cls, seal: Seal) -> Anchor:
        return cls(seal.partition, seal.number, seal.last, seal.chain, seal.at)


def derive_key(secret: bytes, info: bytes = KEY_INFO) -> bytes:
    """A key for one use (the trail's, unless said) from another secret: HKDF-SHA-256 (RFC 5869), no salt, one block."""
    extracted = hmac.digest(b"\0" * hashlib.sha256().digest_size, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def key_name(key: bytes) -> str:
    """What a key is called in seals."""
    return hmac.digest(key, _NAMES, "sha256").hex()[:16]


def ring(keys: Sequence[bytes]) -> dict[str, bytes]:
    """Keys by their names. The first is the one to seal with; the others are retired, and still verify."""
    return {key_name(key): key for key in keys}


def begin(key: bytes, partition: int) -> bytes:
    """The value before the first entry."""
    return hmac.digest(key, _BEGINS + b"%d" % partition, "sha256")


def follow(key: bytes, before: bytes, link: Link) -> bytes:
    """The next value. `before` has a fixed length and the numbers end in a blank, so no two entries look alike."""
    return hmac.digest(key, before + b"%d %d " % (link.number, link.at) + link.data, "sha256")


def seal(
    key: bytes, partition: int, before: Seal | None, links: Sequence[Link], at: int, *, floor: int | None = None
) -> Seal:
    """The seal after `before` (None: the first). `links` go on densely where that one ended."""
    first = before.last + 1 if before else 1
    value, tags = start(key, partition, before), bytearray()
    for place, link in enumerate(links, first):
        assert (link.number, link.extra) == (place, 0), "the caller has seen that they are dense"
        value = follow(key, value, link)
        tags += value[:TAG_BYTES]
    made = Seal(
        number=before.number + 1 if before else 1,
        partition=partition,
        first=first,
        last=first + len(links) - 1,
        chain=value.hex(),
        at=at,
        floor=floor if floor is not None else (before.floor if before else 0),
        key=key_name(key),
        tags=base64.b64encode(tags).decode(),
    )
    return replace(made, mac=_mac(key, made))


def start(key: bytes, partition: int, before: Seal | None) -> bytes:
    """The value that the entries after `before` hang on."""
    return bytes.fromhex(before.chain) if before else begin(key, partition)


def genuine(made: Seal, keys: Mapping[str, bytes]) -> bool:
    """Whether it was made with one of these keys, and is as it was made."""
    key = keys.get(made.key)
    return key is not None and hmac.compare_digest(_mac(key, made).encode(), made.mac.encode())


def encode_seal(made: Seal) -> bytes:
    return msgspec.json.encode(made)


def decode_seal(number: int, partition: int, data: bytes) -> Seal:
    """A seal as stored under a number. What cannot be one comes as a seal that is not genuine."""
    try:
        found = msgspec.json.decode(data, type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if found is None or (found.number, found.partition) != (number, partition):
        return Seal(number=number, partition=partition, first=1, last=0, chain="", at=0)
    return found


def tags_of(made: Seal) -> list[bytes]:
    """The tags of its entries, in their order."""
    packed = base64.b64decode(made.tags)
    return [packed[place : place + TAG_BYTES] for place in range(0, len(packed), TAG_BYTES)]


def _mac(key: bytes, made: Seal) -> str:
    return hmac.digest(key, _SEALS + msgspec.json.encode(replace(made, mac="")), "sha256").hex()
