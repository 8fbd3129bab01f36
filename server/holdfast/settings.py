"""The settings, read once: from flags, else from `HOLDFAST_*`, else what is written here."""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import msgspec

PREFIX = "HOLDFAST_"
SECRET_MIN_BYTES = 32  # of HS256's key: shorter than its hash, it is the weakest part
HIDDEN = ("secret", "redis", "audit_key", "webhook", "webhook_secret")  # never shown: a store's URL may hold a password

LISTS = ("origins", "audit_key", "webhook", "webhook_secret")  # given as one text, with commas between
WEBHOOK_KEY_BYTES = range(24, 65)  # what Standard Webhooks says of a key
WEBHOOKS_MAX = 20  # each notice is kept once for each


class SettingsError(Exception):
    """A setting that cannot be used, in one sentence."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator can choose. A field `name` is the flag `--name` and the variable `HOLDFAST_NAME`."""

    #: The store: redis://, rediss:// or unix://. None: the embedded one (`dev` only).
    redis: str | None = None
    #: How all keys of the store begin.
    prefix: str = "hf"
    #: Of a new store; a store keeps the number that it was begun with.
    partitions: int = 16
    #: Signs and checks tokens (HS256).
    secret: str | None = None
    #: Where the issuer's keys are, instead of a secret or beside it.
    jwks: str | None = None
    #: What tokens by `jwks` must say of their issuer and audience. None: not checked.
    issuer: str | None = None
    audience: str | None = None
    host: str = "127.0.0.1"
    port: int = 8700
    #: Pages of other origins that may connect, separated by commas; "*": all.
    origins: tuple[str, ...] = ()
    #: Copies that a decision, or the start of a tool, must have before anybody is told (docs/design/durability.md).
    wait: int = 0
    #: Events of one session's log; when there are more, the older half is folded into a state.
    retain_events: int = 10_000
    #: Turns that a worker runs at once.
    concurrency: int = 100
    #: How long a worker that is silent keeps its turns; they are taken over some 2 s later. Milliseconds.
    lease_ms: int = 12_000
    #: A TOML file of rules that decide before a human must, beside those of the app: the stricter wins.
    policy: str | None = None
    #: Seals the audit trail: a key of its own, else one derived from `secret`. Several, separated by commas: the first
    #: seals, the others are retired and still verify (docs/design/audit.md).
    audit_key: tuple[str, ...] = ()
    #: A file to which anchors of the trail are added, to be kept where the store's administrators cannot write.
    audit_anchors: str | None = None
    #: After how many days sealed entries are let go. 0: never.
    audit_days: int = 0
    #: Addresses to which notices are posted, separated by commas (docs/howto/notices.md).
    webhook: tuple[str, ...] = ()
    #: Signs what is posted: whsec_ and base64. Several, separated by commas, while one takes over from another.
    webhook_secret: tuple[str, ...] = ()
    #: Where people reach this server, for links in notices: https://agents.example.com
    public_url: str | None = None
    #: debug, info, warning, error
    log: str = "info"

    def __repr__(self) -> str:
        shown = {name: self._shown(name) for name in self.__struct_fields__}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _shown(self, name: str) -> Any:
        value = getattr(self, name)
        return "…" if name in HIDDEN and value else value


def read(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings: a flag that was given (is not None) stands before its variable.

    Raises:
        SettingsError: a value cannot be used, with the name it was given under.
    """
    given: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        variable = PREFIX + name.upper()
        if flags.get(name) is not None:
            given[name] = _converted(name, flags[name], f"--{name.replace('_', '-')}")
        elif environ.get(variable):
            given[name] = _converted(name, environ[variable], variable)
    return _checked(Settings(**given))


def check_serving(settings: Settings) -> None:
    """Whether a server may listen under these settings.

    Raises:
        SettingsError: strangers could come in.
    """
    if settings.secret is None and settings.jwks is None:
        where = "" if is_loopback(settings.host) else f" on {settings.host}, which others can reach"
        raise SettingsError(
            f"Set HOLDFAST_SECRET (at least {SECRET_MIN_BYTES} bytes) or HOLDFAST_JWKS to serve{where}."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _converted(name: str, value: Any, given_as: str) -> Any:
    if name in LISTS and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, get_type_hints(Settings)[name], strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{given_as}: {error}.") from None


def webhook_keys(settings: Settings) -> list[bytes]:
    """The keys that sign what is posted.

    Raises:
        SettingsError: one is not as Standard Webhooks says it.
    """
    return [_webhook_key(secret) for secret in settings.webhook_secret]


def _webhook_key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) not in WEBHOOK_KEY_BYTES:
        raise SettingsError(
            f"HOLDFAST_WEBHOOK_SECRET is whsec_ and the base64 of {WEBHOOK_KEY_BYTES[0]} to {WEBHOOK_KEY_BYTES[-1]} "
            "bytes; make one with: echo whsec_$(openssl rand -base64 32)"
        )
    return key


def _check_webhooks(settings: Settings) -> None:
    if settings.webhook and not settings.webhook_secret:
        raise SettingsError("Set HOLDFAST_WEBHOOK_SECRET too: a target must know that what is posted is ours.")
    if len(settings.webhook) > WEBHOOKS_MAX:
        raise SettingsError(f"HOLDFAST_WEBHOOK names at most {WEBHOOKS_MAX} addresses.")
    if not all(_is_address(url) for url in settings.webhook):
        raise SettingsError("HOLDFAST_WEBHOOK is an address such as https://example.com/hooks, or several with commas.")
    webhook_keys(settings)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _checked(settings: Settings) -> Settings:
    if settings.secret is not None and len(settings.secret.encode()) < SECRET_MIN_BYTES:
        raise SettingsError(
            f"HOLDFAST_SECRET has fewer than {SECRET_MIN_BYTES} bytes; make one with: openssl rand -hex 32"
        )
    if any(len(key.encode()) < SECRET_MIN_BYTES for key in settings.audit_key):
        raise SettingsError(f"A key in HOLDFAST_AUDIT_KEY has fewer than {SECRET_MIN_BYTES} bytes.")
    if settings.audit_days < 0:
        raise SettingsError(f"HOLDFAST_AUDIT_DAYS is a number of days, 0 for ever; {settings.audit_days} is none.")
    if not 0 <= settings.port <= 65_535:
        raise SettingsError(f"{settings.port} is no port: it must be 0 to 65535.")
    if settings.wait < 0:
        raise SettingsError(f"HOLDFAST_WAIT is a number of copies, 0 or more; {settings.wait} is none.")
    _check_webhooks(settings)
    if settings.public_url is not None and not _is_address(settings.public_url):
        raise SettingsError(
            f"HOLDFAST_PUBLIC_URL is an address such as https://agents.example.com, not {settings.public_url!r}."
        )
    if settings.log not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"{settings.log!r} is no log level: debug, info, warning or error.")
    return settings
