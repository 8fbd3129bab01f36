"""A script without any agent asks for a yes and waits; killed and run again, it is the same gate."""

import asyncio
import os

from holdfast import Approvers, client


async def deploy(url: str, token: str, build: int) -> str:
    async with client.connect(url, token=token) as device:
        gate = device.gate(f"deploy-{build}")
        await gate.request("deploy", {"build": build}, approvers=Approvers(roles=("ops",)), expires="2 hours")
        decision = await gate.wait()
    return f"deployed {build}" if decision.approved else f"not deployed: {decision.status}"


if __name__ == "__main__":
    print(asyncio.run(deploy(os.environ["HOLDFAST_URL"], os.environ["HOLDFAST_TOKEN"], 42)))
