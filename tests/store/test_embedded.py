"""The embedded store: its data survive it, it never outlives its user, and a folder has one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from redis import Redis
from tests.waiting import wait_until

from holdfast.core.errors import StoreUnusable
from holdfast.store import embedded_folder
from holdfast.store.embedded import EmbeddedStore
from holdfast.store.embedded_binary import Server, can_read, find_binary

PARENT = """
import asyncio, sys
from pathlib import Path
from holdfast.store.embedded import EmbeddedStore

async def main():
    async with EmbeddedStore(Path(sys.argv[1]), binary=sys.argv[2] or None) as store:
        print(store.pid, store.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def ask(store: EmbeddedStore, *command: str) -> object:
    with Redis.from_url(store.url, decode_responses=True) as client:
        return client.execute_command(*command)


async def refusal(store: EmbeddedStore) -> str:
    """The sentence with which it refuses to start."""
    with pytest.raises(StoreUnusable) as caught:
        await store.start()
    assert "\n" not in caught.value.message
    return caught.value.message


def start_parent(folder: Path, binary: str | None) -> tuple[subprocess.Popen[str], int, Path]:
    """Another process with an embedded store: it, the server's pid, and the socket."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), binary or ""], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    return parent, int(pid), Path(url.removeprefix("unix://"))


def kill_dead(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.communicate()


async def test_data_survive_a_kill(tmp_path: Path, store_binary: str | None) -> None:
    async with EmbeddedStore(tmp_path, binary=store_binary) as store:
        url = store.url
        ask(store, "SET", "key", "value")
        store.kill()
        assert await store.wait_exit() == -signal.SIGKILL
        await store.restart()
        assert store.url == url
        assert ask(store, "GET", "key") == "value"


async def test_data_survive_a_stop(tmp_path: Path, store_binary: str | None) -> None:
    async with EmbeddedStore(tmp_path, binary=store_binary) as store:
        ask(store, "SET", "key", "value")
    async with EmbeddedStore(tmp_path, binary=store_binary) as store:
        assert ask(store, "GET", "key") == "value"


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_settings(store_binary: str | None, fsync: str) -> None:
    expected = {
        "appendfsync": fsync,
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "port": "0",
        "save": "",
    }
    async with EmbeddedStore(binary=store_binary, fsync=fsync) as store:  # type: ignore[arg-type]
        with Redis.from_url(store.url, decode_responses=True) as client:
            assert {name: client.config_get(name)[name] for name in expected} == expected


async def test_a_second_store_on_a_folder_is_refused(tmp_path: Path, store_binary: str | None) -> None:
    async with EmbeddedStore(tmp_path, binary=store_binary) as store:
        second = EmbeddedStore(tmp_path, binary=store_binary, lock_wait_ms=50)
        assert await refusal(second) == f"The data folder {tmp_path} is in use by another store."
        assert ask(store, "PING") is True


async def test_a_start_waits_for_a_server_that_is_still_dying(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path) as first, asyncio.TaskGroup() as tasks:
        second = EmbeddedStore(tmp_path)
        starting = tasks.create_task(second.start())
        first.kill()
        await starting
        await second.stop()


async def test_the_server_dies_with_its_parent(tmp_path: Path, store_binary: str | None) -> None:
    parent, _, socket = start_parent(tmp_path, store_binary)
    assert socket.exists()
    kill_dead(parent)
    # Sooner than the guard's SIGKILL: the server was asked, and wrote what it had.
    await wait_until(lambda: not socket.parent.exists(), "the guard removed the runtime folder", timeout=1.5)
    async with EmbeddedStore(tmp_path, binary=store_binary, lock_wait_ms=0):
        pass  # the lock was free at once: the server was gone before its folder was


async def test_a_server_that_hangs_dies_with_its_parent(tmp_path: Path) -> None:
    parent, server, _ = start_parent(tmp_path, None)
    os.kill(server, signal.SIGSTOP)
    kill_dead(parent)
    async with EmbeddedStore(tmp_path):
        pass  # its lock was waited for, and became free


async def test_a_temporary_store_leaves_nothing(store_binary: str | None) -> None:
    async with EmbeddedStore(binary=store_binary) as store:
        folder = store.folder
        socket = Path(store.url.removeprefix("unix://"))
        assert folder.exists()
    assert not folder.exists()
    assert not socket.parent.exists()


async def test_a_long_folder_does_not_lengthen_the_socket(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path / ("long" * 30)) as store:
        assert len(store.url) < 100
        assert ask(store, "PING") is True


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    said = await refusal(EmbeddedStore(folder))
    assert said == f"The data folder {folder} cannot be written: Not a directory."


async def test_a_folder_of_a_newer_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"server": "valkey", "version": "99.0.0"}')
    said = await refusal(EmbeddedStore(tmp_path))
    assert said.startswith(f"The data folder {tmp_path} was written by Valkey 99.0.0, and ")


async def test_the_folder_records_its_server(tmp_path: Path, store_binary: str | None) -> None:
    async with EmbeddedStore(tmp_path, binary=store_binary, manual_clock=True) as store:
        written = msgspec.json.decode((tmp_path / "server.json").read_bytes())
        assert written == {
            "server": store.server.server,
            "version": store.server.version,
            "manual_clock": True,
        }
    assert "manual clock" in await refusal(EmbeddedStore(tmp_path, binary=store_binary))


async def test_a_damaged_file_is_said_in_the_servers_words(tmp_path: Path) -> None:
    async with EmbeddedStore(tmp_path) as store:
        ask(store, "SET", "key", "value")
    for file in (tmp_path / "appendonlydir").glob("*.incr.aof"):
        file.write_bytes(b"*garbage\r\n" * 10)
    said = await refusal(EmbeddedStore(tmp_path))
    assert "did not start" in said
    assert "Bad file format" in said


async def test_a_large_log_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "server.log").write_bytes(b"x" * (embedded_folder.LOG_LIMIT_BYTES + 1))
    async with EmbeddedStore(tmp_path):
        assert (tmp_path / "server.log").stat().st_size < 10_000


async def test_no_such_program(tmp_path: Path) -> None:
    assert "cannot be run" in await refusal(EmbeddedStore(binary=tmp_path / "none"))
    assert "is not a Redis or Valkey server" in await refusal(EmbeddedStore(binary="/bin/true"))


async def test_keep_running_restarts_and_tells(store_binary: str | None) -> None:
    told: list[str] = []
    async with EmbeddedStore(binary=store_binary) as store:
        keeping = asyncio.create_task(store.keep_running(told.append))
        for deaths in (1, 2):
            store.kill()
            await wait_until(lambda n=2 * deaths: len(told) == n, "the death and the restart were told")
            assert ask(store, "PING") is True
        await store.stop()
        await keeping
    once = ["The embedded store ended (signal 9); starting it again.", "The embedded store runs again."]
    assert told == once * 2


def test_whose_files_a_server_can_read() -> None:
    table = [
        ("valkey 9.1.0", "valkey 9.1.2", True),
        ("valkey 9.1.2", "valkey 9.1.0", True),
        ("valkey 9.1.2", "valkey 8.1.2", False),
        ("valkey 9.1.2", "redis 8.0.0", False),
        ("redis 7.0.15", "valkey 9.1.2", True),
        ("redis 7.2.4", "valkey 8.0.0", True),
        ("redis 7.4.0", "valkey 9.1.2", False),
        ("redis 6.2.14", "redis 7.0.15", True),
        ("redis 7.0.15", "redis 6.2.14", False),
    ]
    for written, found, readable in table:
        assert can_read(Server(*written.split()), Server(*found.split())) is readable, (written, found)


def test_the_installed_program_is_found() -> None:
    assert find_binary().server.server in {"valkey", "redis"}
