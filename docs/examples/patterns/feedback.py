"""A person says afterwards what a call should have been; it is kept with what it is about, to learn from."""

import asyncio
import os
import sys
from typing import Any

from holdfast import client
from holdfast.client import Target


async def correct(url: str, token: str, session: str, interrupt: str, should_be: dict[str, Any]) -> None:
    async with client.connect(url, token=token) as device:
        await device.session(session).feedback(
            Target(interrupt=interrupt),
            score=-1,
            labels=["too much"],
            comment="Shipping is not refunded.",
            correction=should_be,
        )


if __name__ == "__main__":
    url, token = os.environ["HOLDFAST_URL"], os.environ["HOLDFAST_TOKEN"]
    asyncio.run(correct(url, token, *sys.argv[1:3], should_be={"order_id": "A-17", "amount": 160}))
