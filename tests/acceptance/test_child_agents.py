"""An agent inside another one, in real processes: killed while a human thinks about what the inner one asks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.acceptance.cluster import Cluster
from tests.agents.provider import Reply, openai, openai_call, openai_text, provider

APP = Path(__file__).with_name("child_agent.py")


async def test_a_card_of_the_inner_agent_outlives_server_and_worker_and_is_decided_once(tmp_path: Path) -> None:
    replies = [
        openai(openai_call("cashier", {"message": "Refund A-17, all of it."}, "call_desk")),
        openai(openai_call("refund", {"order_id": "A-17", "amount": 200.0}, "call_cashier")),
        openai(openai_text("The cashier's words.")),
        openai(openai_text("So.")),
    ]
    async with provider(*(Reply(reply) for reply in replies)) as at:
        env = {"OPENAI_API_KEY": "no key", "OPENAI_BASE_URL": f"{at.url}/v1"}
        async with Cluster(tmp_path, workers=0, env=env) as cluster:
            cluster.start_worker(app=APP)
            phone = await cluster.device("alice")
            session = await phone.start("desk", "Refund A-17, please")
            shown = await phone.interrupt()
            await phone.event("turn.waiting")
            cluster.workers[0].kill()
            cluster.servers[0].kill()

            await cluster.start_server()
            cluster.start_worker(app=APP)
            devices = [await cluster.device("alice", server=1), await cluster.device("alice", server=1)]
            for device in devices:
                await device.attach(session, {"epoch": "", "seq": 0})
            answers = [{"approved": True}, {"approved": False, "reason": "too much"}]
            pairs = zip(devices, answers, strict=True)
            outcomes = await asyncio.gather(*(device.answer(shown, answer) for device, answer in pairs))
            ended = [await device.event("turn.finished") for device in devices]
            won = answers[[reply["outcome"] for reply in outcomes].index("won")]

            assert (shown["agent"], shown["toolName"]) == ("cashier", "refund")
            assert sorted(reply["outcome"] for reply in outcomes) == ["lost", "won"]
            assert [(event["status"], event["result"]) for event in ended] == [("completed", "So.")] * 2
            assert len(cluster.ran(shown["turn"])) == int(won["approved"])
    desk, cashier, cashier_again, desk_again = [json.dumps(request.body) for request in at.requests]
    assert "You are the desk." in desk
    assert "You are the desk." in desk_again
    assert ("Refund A-17, all of it." in cashier, "Refund A-17, please" in cashier) == (True, False)
    assert ("refunded 200.0" if won["approved"] else "too much") in cashier_again
    assert ("The cashier's words." in desk_again, "call_cashier" in desk_again) == (True, False)
