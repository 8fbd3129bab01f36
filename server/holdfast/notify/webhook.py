"""Webhooks: notices as signed POST requests, as Standard Webhooks says it (https://www.standardwebhooks.com).

webhook-id: n_…     webhook-timestamp: 1764547200     webhook-signature: v1,BASE64(HMAC-SHA-256(id.timestamp.body))
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec

from holdfast.core import notices
from holdfast.core.notices import NoticeShown
from holdfast.notify.target import NotDelivered

BODY_VERSION = 1  # of the body's shape; fields may be added under the same number
TIMEOUT_S = 10.0  # to connect, and between two bytes; the whole takes at most what the sender allows
CONNECTIONS_MAX = 8  # to one target at once
GONE = 410  # "never send me this again"
DIGITS_MAX = 9  # of seconds; more is nonsense
USER_AGENT = "holdfast-webhook/1"


class Webhook:
    """One address that takes notices by POST. Made by `webhooks`."""

    def __init__(self, url: str, keys: Sequence[bytes], client: httpx2.AsyncClient) -> None:
        self._url, self._keys, self._client = url, keys, client
        self.id = "webhook-" + hashlib.sha256(url.encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """The address without what may be a secret in it."""
        parts = urlsplit(self._url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}" + ("?…" if parts.query else "")

    async def deliver(self, notice: NoticeShown) -> None:
        """POST it. 2xx is delivered, 410 is final, anything else is tried again, not before its `Retry-After`.

        Raises:
            NotDelivered: it was not taken, in words for an operator.
        """
        data = msgspec.json.encode(body_of(notice))
        headers = signed(self._keys, notice.id, int(time.time()), data)
        try:
            # Streamed, so that a target cannot make us read an answer of any length: its status is all we want.
            async with self._client.stream("POST", self._url, content=data, headers=headers) as response:
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
        except httpx2.HTTPError as error:
            raise NotDelivered(f"{type(error).__name__}: {error}"[:200]) from error
        if status == GONE:
            raise NotDelivered("410: it wants no more of this", final=True)
        if 300 <= status < 400:
            raise NotDelivered(f"{status}: redirects are not followed")
        if not 200 <= status < 300:
            after_ms = wished_ms(retry_after, datetime.now(UTC))
            raise NotDelivered(f"{status} {response.reason_phrase}".rstrip(), after_ms=after_ms)


def wished_ms(retry_after: str, now: datetime) -> int:
    """How long a target wants to be left alone: seconds, or an instant (RFC 9110, 10.2.3). 0: it does not say."""
    text = retry_after.strip()
    if text.isdecimal() and len(text) <= DIGITS_MAX:
        return int(text) * 1_000
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return 0
    if instant.tzinfo is None:
        return 0
    return max(0, int((instant - now).total_seconds() * 1_000))


def client() -> httpx2.AsyncClient:
    """What webhooks are sent with: it follows nothing, and waits for nobody for long."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=CONNECTIONS_MAX)
    return httpx2.AsyncClient(follow_redirects=False, timeout=TIMEOUT_S, limits=limits)


def webhooks(urls: Sequence[str], keys: Sequence[bytes], client: httpx2.AsyncClient) -> list[Webhook]:
    """The webhooks of these settings: the first key signs, the others sign too while they are being replaced."""
    return [Webhook(url, keys, client) for url in dict.fromkeys(urls)]


def body_of(notice: NoticeShown) -> dict[str, Any]:
    """What is posted."""
    at = datetime.fromtimestamp(notice.at / 1_000, UTC).isoformat(timespec="milliseconds")
    return {
        "type": notice.kind,
        "timestamp": at.replace("+00:00", "Z"),
        "version": BODY_VERSION,
        "data": notices.body(notice),
    }


def signed(keys: Sequence[bytes], own_id: str, at_s: int, data: bytes) -> dict[str, str]:
    """The headers of a request: by its signature the target knows that it is ours, and not an old one."""
    content = f"{own_id}.{at_s}.".encode() + data
    signatures = [base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": own_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
