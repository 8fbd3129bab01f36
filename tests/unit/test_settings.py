"""Settings: flags before variables, clear refusals, and no secret in what is shown."""

from __future__ import annotations

import pytest

from holdfast.settings import Settings, SettingsError, check_serving, is_loopback, read

SECRET = "a secret of more than thirty-two bytes"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0IG9mIG1vcmUgdGhhbiB0aGlydHktdHdvIGJ5dGVz"


def test_a_flag_stands_before_its_variable() -> None:
    environ = {"HOLDFAST_PORT": "9000", "HOLDFAST_HOST": "10.0.0.1", "HOLDFAST_PREFIX": ""}
    settings = read({"port": 9001, "host": None}, environ)
    assert (settings.port, settings.host, settings.prefix) == (9001, "10.0.0.1", "hf")


def test_lists_are_separated_by_commas() -> None:
    assert read({}, {"HOLDFAST_ORIGINS": "https://a.example, https://b.example"}).origins == (
        "https://a.example",
        "https://b.example",
    )


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HOLDFAST_PORT": "http"}, "HOLDFAST_PORT"),
        ({"HOLDFAST_PORT": "70000"}, "70000"),
        ({"HOLDFAST_PARTITIONS": "many"}, "HOLDFAST_PARTITIONS"),
        ({"HOLDFAST_SECRET": "short"}, "HOLDFAST_SECRET"),
        ({"HOLDFAST_LOG": "loud"}, "loud"),
        ({"HOLDFAST_AUDIT_KEY": f"{SECRET},short"}, "HOLDFAST_AUDIT_KEY"),
        ({"HOLDFAST_AUDIT_DAYS": "-1"}, "HOLDFAST_AUDIT_DAYS"),
        ({"HOLDFAST_WEBHOOK": "https://a.example"}, "HOLDFAST_WEBHOOK_SECRET"),
        ({"HOLDFAST_WEBHOOK": "ftp://a.example", "HOLDFAST_WEBHOOK_SECRET": WEBHOOK_SECRET}, "HOLDFAST_WEBHOOK"),
        ({"HOLDFAST_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "HOLDFAST_WEBHOOK_SECRET"),
        ({"HOLDFAST_WEBHOOK_SECRET": "whsec_nobase64!"}, "HOLDFAST_WEBHOOK_SECRET"),
        ({"HOLDFAST_PUBLIC_URL": "agents.example"}, "HOLDFAST_PUBLIC_URL"),
    ],
)
def test_what_cannot_be_used_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as refused:
        read({}, environ)
    assert "short" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    settings = Settings(secret=SECRET, redis="redis://:password@host/0")
    assert SECRET not in repr(settings)
    assert "password" not in f"{settings!r} {settings}"
    assert "8700" in repr(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_nobody_serves_without_a_way_to_tell_people_apart(host: str) -> None:
    with pytest.raises(SettingsError, match="HOLDFAST_SECRET"):
        check_serving(Settings(host=host))
    check_serving(Settings(host=host, secret=SECRET))
    check_serving(Settings(host=host, jwks="https://id.example/jwks"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [(name, True) for name in ("127.0.0.1", "127.8.8.8", "::1", "localhost")]
    + [(name, False) for name in ("0.0.0.0", "::", "192.168.1.5", "example.com")],
)
def test_what_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
