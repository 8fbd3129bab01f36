"""A script that asks for a gate, waits, and says what was decided: as a pipeline's step does."""

from __future__ import annotations

import asyncio
import sys

from holdfast import client
from holdfast.core.interrupts import Approvers


async def main(url: str, token: str) -> None:
    async with client.connect(url, token=token) as device:
        gate = device.gate("deploy-42")
        shown = await gate.request("deploy", {"to": "prod"}, approvers=Approvers(roles=("ops",)))
        print("asked", shown.interrupt.id, flush=True)
        decision = await gate.wait()
        print("decided", decision.approved, decision.by.id, decision.at, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
