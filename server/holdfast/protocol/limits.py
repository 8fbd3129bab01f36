"""The limits of a connection, in one table: what a device may do, and what happens at the limit (promise 12).

They are sent in `welcome.limits`, under the names they have here.
"""

from __future__ import annotations

import msgspec

from holdfast.protocol.frames import FRAME_MAX_BYTES


class Limits(msgspec.Struct, frozen=True):
    """The defaults are what docs/protocol.md promises; an operator may choose others."""

    #: Of one frame, either way. Beyond it: closed with 1009.
    frame_max_bytes: int = FRAME_MAX_BYTES
    #: What may wait for a device to read it. Beyond it: closed with 3008; it comes back for the rest.
    queue_max_bytes: int = 1024 * 1024
    #: Sessions attached at once by one connection. Beyond it: `limit_reached`.
    sessions_max: int = 64
    #: Commands of one connection that are not answered yet. Beyond it: no more is read until one is answered.
    pending_max: int = 128
    #: Malformed frames one after the other. Beyond it: closed with 3500, for the device will not do better.
    bad_frames_max: int = 20
    #: From the connect to a good token. Beyond it: closed with 4008.
    hello_ms: int = 10_000
    #: How often the server pings.
    ping_ms: int = 25_000
    #: From a ping to its pong. Beyond it: closed with 3011.
    pong_ms: int = 10_000
    #: From a close to the end of the connection, whether the device agrees or not.
    close_ms: int = 10_000

    def told(self) -> dict[str, int]:
        """What a device is told."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
