"""A server's REST routes, for commands that act on it from outside."""

from __future__ import annotations

import functools
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import click
import msgspec

from holdfast.client.address import parse
from holdfast.settings import SettingsError

Ask = Callable[..., dict[str, Any]]

TIMEOUT_S = 10.0
DEFAULT_URL = "http://127.0.0.1:8700"


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--url` and `--token`, and first what asks that server. What it refuses is one sentence."""

    @click.option("--url", help="The server (HOLDFAST_URL).")
    @click.option("--token", help="Who asks (HOLDFAST_TOKEN).")
    @functools.wraps(command)
    def asked(url: str | None, token: str | None, **arguments: Any) -> None:
        try:
            command(functools.partial(ask, url=url, token=token), **arguments)
        except (SettingsError, ValueError) as error:
            raise click.ClickException(str(error)) from None

    return asked


def ask(
    method: str, path: str, body: dict[str, Any] | None = None, *, url: str | None = None, token: str | None = None
) -> dict[str, Any]:
    """What a server answers: that of `url` or `HOLDFAST_URL`, to `token`, `HOLDFAST_TOKEN`, or the token in the URL.

    Raises:
        SettingsError: it refuses, or does not answer; in one sentence.
    """
    address = parse(url or os.environ.get("HOLDFAST_URL", DEFAULT_URL))
    given = token or (address.token if url else None) or os.environ.get("HOLDFAST_TOKEN") or address.token or ""
    headers = {"Authorization": f"Bearer {given}", "Content-Type": "application/json"}
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
