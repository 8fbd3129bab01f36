"""One person's inbox over all sessions, answered at once: each answer counts by itself, and losing is a result."""

import asyncio
import os

from holdfast import client
from holdfast.client import AnswerItem


async def approve_all(url: str, token: str, tool: str) -> list[str]:
    async with client.connect(url, token=token) as device:
        mine = [asked for asked in await device.inbox() if asked.toolName == tool]
        yes = [AnswerItem(asked.session, asked.id, "resolved", {"approved": True}) for asked in mine]
        results = await device.answer_many(yes)
    return [result.outcome or "refused" for result in results]


if __name__ == "__main__":
    print(asyncio.run(approve_all(os.environ["HOLDFAST_URL"], os.environ["HOLDFAST_TOKEN"], "refund")))
