"""Stops the embedded server when the process that started it is gone, however it went.

Run as a file, not as a module: it uses the standard library only and must start quickly.

    python -I -S embedded_guard.py SERVER_PID RUNTIME_FOLDER FD ...

It is a child of the server (see `embedded_process.py`) and reads a pipe, its standard input, whose
only other end is in the process that uses the server. End of file means that this process died: the
server is stopped and the runtime folder removed. One byte means that all went well: nothing is left
to do. FD ... are descriptors of the server that it inherited, and must not keep open.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

TERM_WAIT_S = 2.0  # a server flushes its file and ends within milliseconds; a stopped one never does
POLL_S = 0.01


def main(server: int, runtime_folder: str, inherited: list[int]) -> None:
    for descriptor in inherited:
        # Whatever is wrong with one, the server must not be left without its guard.
        with contextlib.suppress(OSError):
            os.close(descriptor)
    if _released():
        return
    _stop(server)
    shutil.rmtree(runtime_folder, ignore_errors=True)


def _released() -> bool:
    return os.read(0, 1) != b""


def _stop(server: int) -> None:
    """SIGTERM, so that the append-only file is flushed, then SIGKILL.

    The parent's pid is compared before each signal: once the server is dead its number may belong to
    another process, and then this process has another parent.
    """
    if os.getppid() == server:
        os.kill(server, signal.SIGTERM)
    end = time.monotonic() + TERM_WAIT_S
    while os.getppid() == server and time.monotonic() < end:
        time.sleep(POLL_S)
    if os.getppid() == server:
        os.kill(server, signal.SIGKILL)
    while os.getppid() == server:
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], [int(argument) for argument in sys.argv[3:]])
