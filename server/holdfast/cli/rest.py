"""A server's REST routes, for commands that act on it from outside."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import Any

import msgspec

from holdfast.client.address import parse
from holdfast.settings import SettingsError

TIMEOUT_S = 10.0
DEFAULT_URL = "http://127.0.0.1:8700"


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the server behind `HOLDFAST_URL` answers to `HOLDFAST_TOKEN`, or the token in that URL.

    Raises:
        SettingsError: it refuses, or does not answer; in one sentence.
    """
    address = parse(os.environ.get("HOLDFAST_URL", DEFAULT_URL))
    token = os.environ.get("HOLDFAST_TOKEN") or address.token or ""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = msgspec.json.encode(body or {}) if method == "POST" else None
    request = urllib.request.Request(address.http + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(), type=dict[str, Any])
    except urllib.error.HTTPError as error:
        with error:
            problem = msgspec.json.decode(error.read() or b"{}", type=dict[str, Any])
        raise SettingsError(f"{problem.get('detail', error.reason)} ({problem.get('code')})") from None
    except OSError as error:
        raise SettingsError(f"{address.http} does not answer: {error}") from None
