"""compose.yaml and the Dockerfile, as far as they can be checked where no container engine is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "server" / "Dockerfile"

FILE: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
SERVICES: dict[str, Any] = FILE["services"]
OURS = ["server", "worker"]
STORES = ["valkey", "redis"]

PINNED = re.compile(r"@sha256:[0-9a-f]{64}$|:\d+\.\d+")  # a digest, or at least major and minor


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def _last_stage() -> list[tuple[str, str]]:
    instructions = _instructions()
    last_from = max(index for index, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[last_from:]


def test_compose_fits_the_specification() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    check = [sys.executable, "-m", "check_jsonschema", *schema, str(COMPOSE)]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_services() -> None:
    assert sorted(SERVICES) == sorted(OURS + STORES)
    assert SERVICES["redis"]["profiles"] == ["redis"]
    assert all("profiles" not in SERVICES[name] for name in [*OURS, "valkey"])


@pytest.mark.parametrize(("name", "command"), [("server", "serve"), ("worker", "worker")])
def test_our_services_run_a_command_of_holdfast(name: str, command: str) -> None:
    assert SERVICES[name]["command"][0] == command
    assert ("ENTRYPOINT", '["holdfast"]') in _last_stage()


def test_worker_finds_its_agent_where_it_is_mounted() -> None:
    source, target, mode = SERVICES["worker"]["volumes"][0].split(":")
    path, app = SERVICES["worker"]["command"][1].split(":")
    assert path.startswith(f"{target}/")
    assert (source, app, mode) == ("./docs/examples", "app", "ro")


def test_image_has_what_the_demo_agent_and_the_endpoint_of_mcp_need() -> None:
    default = next(rest.removeprefix("HOLDFAST_EXTRAS=") for word, rest in _instructions() if word == "ARG")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"llm", "mcp"} <= set(default.split(",")) <= set(extras)
    assert any("[${HOLDFAST_EXTRAS}]" in rest for word, rest in _instructions() if word == "RUN")
    for name in OURS:
        assert SERVICES[name]["build"]["args"]["HOLDFAST_EXTRAS"] == f"${{HOLDFAST_EXTRAS:-{default}}}"


def test_demo_agent_can_be_given_a_real_model() -> None:
    assert SERVICES["worker"]["environment"]["HOLDFAST_MODEL"] == "${HOLDFAST_MODEL:-}"  # empty means offline


@pytest.mark.parametrize("name", OURS)
def test_secret_has_no_default(name: str) -> None:
    assert SERVICES[name]["environment"]["HOLDFAST_SECRET"].startswith("${HOLDFAST_SECRET:?")


@pytest.mark.parametrize("name", OURS)
def test_our_services_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service


def test_every_service_has_a_health_check() -> None:
    tests = {name: service["healthcheck"]["test"] for name, service in SERVICES.items()}
    assert tests["worker"] == ["CMD", "holdfast", "doctor"]
    assert tests["server"][:3] == ["CMD", "python", "-c"]
    assert "/readyz" in tests["server"][3]
    compile(tests["server"][3], "healthcheck", "exec")
    for store in STORES:
        kind, line = tests[store]
        assert (kind, shlex.split(line)[:2]) == ("CMD-SHELL", [f"{store}-cli", "ping"])


def test_health_check_asks_the_port_that_is_served() -> None:
    environment = next(rest for word, rest in _last_stage() if word == "ENV")
    port = re.search(r"HOLDFAST_PORT=(\d+)", environment)
    assert port is not None
    assert f":{port[1]}/readyz" in SERVICES["server"]["healthcheck"]["test"][3]
    assert SERVICES["server"]["ports"][0].endswith(f":{port[1]}")
    assert ("EXPOSE", port[1]) in _last_stage()


def test_port_is_published_to_this_machine_only_unless_told_otherwise() -> None:
    assert SERVICES["server"]["ports"] == ["${HOLDFAST_BIND:-127.0.0.1}:${PORT:-8700}:8700"]


@pytest.mark.parametrize("name", STORES)
def test_stores_keep_what_they_acknowledged(name: str) -> None:
    command, *words = SERVICES[name]["command"]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert command == f"{name}-server"
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    volume, path = SERVICES[name]["volumes"][0].split(":")
    assert (volume in FILE["volumes"], path) == (True, "/data")


def test_our_services_wait_for_their_store() -> None:
    for name in OURS:
        dependencies = SERVICES[name]["depends_on"]
        assert set(dependencies) == set(STORES)
        assert all(each["condition"] == "service_healthy" for each in dependencies.values())
        assert dependencies["redis"]["required"] is False


def test_images_are_pinned() -> None:
    base_images = [rest.split()[0] for word, rest in _instructions() if word == "FROM"]
    images = [service["image"] for service in SERVICES.values()] + base_images
    assert [image for image in images if not PINNED.search(image)] == []


def test_image_is_several_stages_and_runs_as_nobody_special() -> None:
    assert [word for word, _ in _instructions()].count("FROM") >= 2
    users = [rest for word, rest in _last_stage() if word == "USER"]
    # A number, because an orchestrator that demands "not root" cannot look names up.
    assert users, "the image would run as root"
    assert users[-1].isdigit()
    assert users[-1] != "0"


def test_image_is_the_release_that_compose_names() -> None:
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"holdfast:{version[1]}"}


def test_everything_the_image_copies_gets_past_dockerignore() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [rest.split()[:-1] for word, rest in _instructions() if word == "COPY" and "--from" not in rest]
    assert {path for paths in copied for path in paths} <= allowed
