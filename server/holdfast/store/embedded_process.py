"""One run of the embedded server, and the guard that does not let it outlive its user.

    this process ──pipe──▶ guard (embedded_guard.py), a child of ┐
         └── starts ─────▶ sh, which starts the guard and becomes ▶ the server

The shell is replaced by the server, so the pid started here is the server's: it cannot be re-used
before this process has reaped it. The guard is the server's child, so it notices by its own parent's
pid whether the server is still the one it must stop. Parent-death signals do not exist on macOS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from holdfast.store import embedded_guard
from holdfast.store.embedded_folder import lift

# Descriptor 3 carries the pipe past the shell's rule that a background command reads /dev/null.
_LAUNCH = """
exec 3<&0 </dev/null
python=$1 guard=$2
shift 2
"$python" -I -S "$guard" $$ "$1" "$2" "$3" <&3 3<&- >/dev/null 2>&1 &
shift 3
exec "$@" 3<&-
"""


class ServerProcess:
    """A running server process. Belongs to no event loop: any may wait for it."""

    def __init__(self, command: list[str], *, runtime_folder: Path, log: Path, lock: int) -> None:
        """Start it. `lock` is given away: it is closed here, and stays open in the server."""
        ended, alive = os.pipe()
        # End of file on this pipe tells of the server's end without a thread, a signal handler or a poll.
        self._ended = ended
        alive = lift(alive)
        python = sys.executable or "python3"
        launch = [python, embedded_guard.__file__, str(runtime_folder), str(lock), str(alive)]
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", _LAUNCH, "sh", *launch, *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(lock, alive),
                    # Ctrl-C in a terminal goes to every process of its group; the store must stop last.
                    start_new_session=True,
                )
        except BaseException:
            os.close(ended)
            raise
        finally:
            os.close(lock)
            os.close(alive)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal, if it is still running."""
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Its exit code (minus the signal's number if one ended it). Safe to cancel, and to call twice."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        mine = os.dup(self._ended)
        loop.add_reader(mine, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(mine)
            os.close(mine)
        return self.reap()

    def reap(self) -> int:
        """Its exit code. Blocks for the moment between the end of its files and its own."""
        return self._process.wait()

    def release(self) -> None:
        """Tell the guard that nothing is left to do, and close what is open. After the end; only once."""
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):
            os.write(pipe.fileno(), b".")
        pipe.close()
        os.close(self._ended)
