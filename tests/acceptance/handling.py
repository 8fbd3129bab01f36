"""A device in a process of its own: it runs the calls of one tool, and writes down where a test can count them.

    python handling.py URL TOKEN SESSION NAME FOLDER

A call is begun, waits until the file `go` is there, and then has its effect: one line in `effects`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from holdfast import client
from holdfast.client import ToolCall


def written(file: Path, line: str) -> None:
    """One line, in one write."""
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(opened, f"{line}\n".encode())
    os.close(opened)


async def run(url: str, token: str, session: str, name: str, folder: Path) -> None:
    async def located(_: Any, call: ToolCall) -> str:
        written(folder / "begun", f"{name} {call.id}")
        call.progress({"by": name})
        while not (folder / "go").exists():
            await asyncio.sleep(0.02)
        written(folder / "effects", f"{name} {call.id}")
        return name

    async with client.connect(url, token=token, device=name) as device:
        device.handle("location", located)
        await device.session(session).attach()
        written(folder / "ready", name)
        await asyncio.Event().wait()


asyncio.run(run(*sys.argv[1:5], Path(sys.argv[5])))
