"""A state and a button, with no agent: everybody sees the count, and of two who press at once neither is lost."""

import asyncio
import os

from holdfast import client
from holdfast.client import Session
from holdfast.core.errors import Conflict


async def press(session: Session) -> int:
    """Count one more; if somebody was faster, look again."""
    while True:
        count, version = session.state.state.get("count", 0) + 1, session.state.state_version
        try:
            await session.patch_state({"op": "add", "path": "/count", "value": count}, version=version)
            return count
        except Conflict:
            await session.wait_for(lambda state, seen=version: state.state_version > seen or None)


async def main(url: str, token: str) -> int:
    async with client.connect(url, token=token) as device:
        session = await device.start(title="Board")
        return await press(session)


if __name__ == "__main__":
    print(asyncio.run(main(os.environ["HOLDFAST_URL"], os.environ["HOLDFAST_TOKEN"])))
