"""The commands as processes: one line at the start, one sentence where they cannot, 0 when stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.client.address import parse

SECRET = "a secret of more than thirty-two bytes"
AGENT = """
from holdfast import App, Turn

app = App()


@app.agent("echo")
async def echo(turn: Turn) -> str:
    await turn.write(turn.message.text)
    return "said"


@app.agent("asker")
async def asker(turn: Turn) -> None:
    await turn.ask("Which one?")
"""
BARE = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "refund" / "agent.py"
COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()"]


@pytest.fixture
def agent(tmp_path: Path) -> str:
    path = tmp_path / "agent.py"
    path.write_text(AGENT)
    return f"{path}:app"


def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], env=BARE | environ, capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def started(*words: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*COMMAND, *words], env=BARE | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stopped(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code after SIGTERM, and what it had still to say."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def ask(url: str, token: str | None, method: str, path: str, body: Any = None) -> Any:
    address = parse(url)
    request = urllib.request.Request(
        address.http + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"Authorization": f"Bearer {token or address.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def wait_for(look: Callable[[], bool], what: str) -> None:
    """Until it is so; each look is a round trip."""
    for _ in range(2_000):
        if look():
            return
    pytest.fail(f"never: {what}")


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_dev_is_all_in_one_and_says_one_line(agent: str, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    with started("dev", agent, "--port", "0", "--data", data) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        session = ask(url, None, "POST", "/v1/sessions", {"agent": "echo", "message": "hello"})
        turn = f"/v1/turns/{session['turn']}"
        wait_for(lambda: ask(url, None, "GET", turn)["status"] == "finished", "the turn has ended")
        assert ask(url, None, "GET", turn)["result"] == "said"
        shown = ask(url, None, "GET", f"/v1/sessions/{session['id']}")["snapshot"]
        assert shown["messages"][-1]["parts"][0]["text"] == "hello"

        refused(run("dev", agent, "--port", str(parse(url).http.rpartition(":")[2]), "--data", data), "in use")
        refused(run("dev", agent, "--port", "0", "--data", data), "in use")
        assert stopped(process) == (0, "", "")
    with started("dev", agent, "--port", "0", "--data", data) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert ask(url, None, "GET", turn)["status"] == "finished"
        assert stopped(process)[0] == 0


def test_server_and_worker_apart(agent: str, store_url: str, tmp_path: Path) -> None:
    port = free_port()
    common = {"HOLDFAST_REDIS": store_url, "HOLDFAST_SECRET": SECRET}
    url = f"http://127.0.0.1:{port}"
    assert "worker: none" in run("doctor", **common).stdout
    with (
        started("serve", "--port", str(port), **common) as server,
        started("worker", agent, **common) as worker,
    ):
        assert server.stdout is not None
        assert server.stdout.readline() == f"holdfast: serving on {url}\n"
        token = run("token", "alice", "--session", "*", "--can", "admin", **common).stdout.strip()
        wait_for(lambda: "agent: asker@1, served" in run("doctor", **common).stdout, "the worker is there")
        session = ask(url, token, "POST", "/v1/sessions", {"agent": "asker", "message": "hello"})
        turn = session["turn"]
        wait_for(lambda: ask(url, token, "GET", f"/v1/turns/{turn}")["status"] == "waiting", "it waits")
        mine = {"HOLDFAST_URL": url, "HOLDFAST_TOKEN": token}
        assert run("turns", "list", **mine).stdout.startswith(f"{turn}  waiting")
        assert json.loads(run("turns", "show", "--json", turn, **mine).stdout)["agent"] == "asker"
        assert (run("grants", "list", **mine).stdout, run("grants", "list", "--json", **mine).stdout) == ("", "")
        unknown = run("grants", "revoke", "g_none.s1", **mine)
        assert (unknown.returncode, "not_found" in unknown.stderr) == (1, True)
        assert run("turns", "cancel", turn, **mine).stdout == "finished\n"
        assert "no rule is proposed" in run("audit", "report", **mine).stdout
        rules = tmp_path / "policy.toml"
        rules.write_text('[[rules]]\naction = "auto_approve"\n')
        assert run("policy", "try", str(rules), **mine).stdout == "0 of 0 calls would have needed nobody\n"
        assert run("feedback", "export", **mine).stderr == "0 feedbacks\n"
        late = run("turns", "retry", turn, **mine)
        assert (late.returncode, "conflict" in late.stderr) == (1, True)
        assert stopped(worker)[0] == 0
        assert stopped(server)[0] == 0


@pytest.mark.parametrize(
    ("words", "environ", "named"),
    [
        (["serve"], {}, ["HOLDFAST_SECRET"]),
        (["serve", "--host", "0.0.0.0"], {}, ["HOLDFAST_SECRET", "0.0.0.0"]),
        (["serve", "--port", "0"], {"HOLDFAST_SECRET": SECRET}, ["HOLDFAST_REDIS"]),
        (["serve"], {"HOLDFAST_SECRET": "short"}, ["32 bytes"]),
        (["worker", "nowhere.py:app"], {"HOLDFAST_REDIS": "unix:///nowhere"}, ["nowhere.py"]),
        (["doctor"], {"HOLDFAST_REDIS": "unix:///nowhere"}, ["nowhere"]),
        (["token", "alice"], {}, ["HOLDFAST_SECRET"]),
        (["token", "alice", "--ttl", "5"], {"HOLDFAST_SECRET": SECRET}, ["duration"]),
        (["dev", "nowhere.py:app"], {}, ["nowhere.py"]),
        (["dev", f"{EXAMPLE}:app"], {"HOLDFAST_POLICY": "nowhere.toml"}, ["nowhere.toml", "cannot be read"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_one_sentence(words: list[str], environ: dict[str, str], named: list[str]) -> None:
    refused(run(*words, **environ), *named)


def test_a_right_that_there_is_not_is_told_with_those_that_there_are() -> None:
    done = run("token", "alice", "--can", "fly", HOLDFAST_SECRET=SECRET)
    assert (done.returncode, "'fly'" in done.stderr, "'answer'" in done.stderr) == (2, True, True)


@pytest.mark.parametrize(
    ("code", "line"), [("import nowhere_at_all\n", "import nowhere_at_all"), ("x = (:\n", "x = (:")]
)
def test_an_agent_that_cannot_be_imported_shows_its_own_lines_and_none_of_ours(
    code: str, line: str, tmp_path: Path
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(code)
    for command in ("dev", "worker"):
        done = run(command, f"{path}:app", HOLDFAST_REDIS="unix:///nowhere")
        assert (done.returncode, done.stdout) == (2, "")
        assert line in done.stderr
        assert done.stderr.splitlines()[-1] == f"holdfast: {path}:app: it cannot be imported, for the reason above."
        assert "processes.py" not in done.stderr
        assert "uvloop" not in done.stderr


def test_a_data_folder_that_is_none_is_one_sentence(agent: str, tmp_path: Path) -> None:
    refused(run("dev", agent, "--port", "0", "--data", agent.removesuffix(":app")), "agent.py")


def test_a_code_for_the_phone_is_shown_when_asked_for(agent: str, tmp_path: Path) -> None:
    with started("dev", agent, "--lan", "--port", "0", "--data", str(tmp_path / "data")) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://")
        code = [process.stdout.readline() for _ in range(20)]
        assert all(set(line) <= set("█▀▄ \xa0\n") for line in code)
        assert stopped(process)[0] == 0
