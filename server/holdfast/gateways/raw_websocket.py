"""uvicorn's WebSocket protocol, with a way past it for frames that are ready: a third of the cost of ASGI's.

`uvicorn.Config(app, **OPTIONS)` installs it. An application finds it in its scope's extensions, under `RAW`.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from holdfast.protocol.close_codes import NO_PONG, SHUTDOWN, CloseCode
from holdfast.protocol.limits import Limits
from holdfast.protocol.text_frame import TextFrame

RAW = "holdfast.raw"


class RawWebSocketProtocol(WebSocketsSansIOProtocol):
    """Takes ready-made frames, and closes with our codes."""

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = {**(self.scope.get("extensions") or {}), RAW: self}
        self.scope["extensions"] = extensions
        await super().run_asgi()

    def write_frames(self, data: bytes) -> None:
        """Write whole, unmasked, uncompressed frames. Nothing happens if the device is gone."""
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return
        try:
            self.transport.write(data)
        except RuntimeError:
            # uvloop, on a transport that was lost in this tick: one dead device must not stop the others.
            self.transport.abort()

    def close_with(self, code: CloseCode, close_ms: int) -> None:
        """Say why, and end it when the device agrees; after `close_ms` at the latest."""
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            return
        if self.conn.state is State.OPEN:
            self.conn.send_close(code.code, code.reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code.code, "reason": code.reason})
        if self.read_paused:  # its agreement must be read
            self.read_paused = False
            self.transport.resume_reading()
        # Abort: who did not read what came before will not read it now; a plain close would wait for that.
        self.close_timer = self.loop.call_later(close_ms / 1000, self.transport.abort)

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self.pending_ping_payload = None
        self.close_with(NO_PONG, Limits().close_ms)

    def shutdown(self) -> None:
        self.stop_keepalive()
        if self.handshake_complete and not self.close_sent:
            self.close_with(SHUTDOWN, Limits().close_ms)
        else:
            super().shutdown()


class RawSink:
    """The way past ASGI, as the hub's subscribers see it."""

    def __init__(self, protocol: RawWebSocketProtocol, close_ms: int) -> None:
        self._protocol = protocol
        self._close_ms = close_ms

    @property
    def waiting_bytes(self) -> int:
        return self._protocol.transport.get_write_buffer_size()

    def write(self, batch: list[TextFrame]) -> None:
        self._protocol.write_frames(b"".join([frame.wire for frame in batch]))

    async def drained(self) -> None:
        await self._protocol.writable.wait()

    def close(self, code: CloseCode) -> None:
        self._protocol.close_with(code, self._close_ms)


def options(limits: Limits) -> dict[str, Any]:
    """What to give `uvicorn.Config` so that frames may be written past ASGI, and these limits hold."""
    return {
        "ws": RawWebSocketProtocol,
        "ws_per_message_deflate": False,  # a ready-made frame is the same for all devices, so not compressed
        "ws_max_size": limits.frame_max_bytes,
        "ws_ping_interval": limits.ping_ms / 1000,
        "ws_ping_timeout": limits.pong_ms / 1000,
    }
