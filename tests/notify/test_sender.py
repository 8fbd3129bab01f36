"""Sending notices over the real store to a real HTTP server: failing, slow, gone, well again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from tests.commands.scene import ALICE, Scene
from tests.notify.receiver import KEY, Receiver
from tests.waiting import wait_until

from holdfast.commands import answering, deleting, leaving
from holdfast.commands.backend import Backend
from holdfast.core import notices
from holdfast.core.identity import Principal
from holdfast.core.interrupts import Approvers, Interrupt
from holdfast.core.ladders import HandOver, Remind, rungs
from holdfast.core.people import DAY_MS
from holdfast.notify import webhook
from holdfast.notify.router import Router
from holdfast.notify.sender import Sender
from holdfast.notify.webhook import Webhook
from holdfast.protocol import frames
from holdfast.runtime.sweeper import Sweeper
from holdfast.settings import Settings, webhook_keys
from holdfast.store.outbox import UNSAID_MS, Outbox

KEYS = webhook_keys(Settings(webhook_secret=(KEY,)))


class Post:
    """The way of notices by hand: what is handed on and sent is what a test says."""

    def __init__(self, backend: Backend, outbox: Outbox, target: Webhook) -> None:
        self.outbox, self.target = outbox, target
        self.router = Router(outbox)
        self.backend = backend
        self.sender = self.another()

    def another(self, **more: int) -> Sender:
        return Sender(self.outbox, self.backend.door, self.target, **more)

    async def send(self) -> int:
        """Hand on and send all that is due now."""
        await self.router.route()
        sent = 0
        while True:
            async with asyncio.TaskGroup() as tasks:
                took = await self.sender.send(tasks)
            sent += took
            if not took:
                return sent

    async def waiting(self) -> int:
        return (await self.outbox.backlog()).waiting

    async def given_up(self) -> list[str]:
        return [one.why for one in await self.outbox.undelivered(None, 10)]


@asynccontextmanager
async def posting(backend: Backend, outbox: Outbox, url: str) -> AsyncGenerator[Post]:
    async with webhook.client() as client:
        post = Post(backend, outbox, Webhook(url, KEYS, client))
        await post.sender.announce()
        yield post


@pytest.fixture
async def post(backend: Backend, outbox: Outbox, receiver: Receiver) -> AsyncGenerator[Post]:
    async with posting(backend, outbox, receiver.url) as made:
        yield made


async def approve(scene: Scene, shown: Interrupt) -> None:
    frame = frames.Answer("yes", scene.session, shown.id, "resolved", {"approved": True})
    await answering.answer(scene.backend, ALICE, frame, "test")


async def pass_time(scene: Scene, ms: int) -> None:
    """Of all partitions: a sender looks at the clock of each."""
    keys, connection = scene.backend.door.keys, scene.backend.door.connection
    for partition in range(keys.partitions):
        await connection.execute("HINCRBY", keys.meta(partition), "clock_offset_ms", ms)


async def test_who_is_told_that_it_opened_is_told_that_it_closed(scene: Scene, post: Post, receiver: Receiver) -> None:
    shown = await scene.ask_and_wait()
    assert await post.send() == 1
    await approve(scene, shown)
    assert await post.send() == 1
    opened, closed = receiver.requests
    assert (opened.kind, closed.kind) == ("interrupt.opened", "interrupt.closed")
    assert opened.json["data"]["interrupt"]["input"] == {"amount": 200}
    assert opened.json["data"]["status"] == "open"
    assert closed.json["data"]["decision"]["by"]["id"] == "alice"
    assert opened.json["version"] == 1
    assert opened.path == "/hooks"
    assert opened.id != closed.id
    assert (await post.waiting(), await post.given_up()) == (0, [])


async def test_a_question_that_was_answered_meanwhile_calls_nobody(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    shown = await scene.ask_and_wait()
    await approve(scene, shown)
    assert await post.send() == 2
    assert receiver.requests == []
    assert await post.waiting() == 0


LADDER = [Remind("10 min"), HandOver("1 h", "gus")]


async def remind_and_hand_over(scene: Scene, post: Post) -> Interrupt:
    """Somebody is asked who is away, and nobody answers: at once all that a ladder says is said."""
    now_ms = await scene.backend.directory.now_ms()
    await leaving.leave(scene.backend, Principal("fay"), now_ms + DAY_MS, None)
    asked = await scene.ask_and_wait(approvers=Approvers(subjects=("fay",)), ladder=rungs(LADDER, now_ms))
    assert await post.send() == 1
    await pass_time(scene, 11 * 60_000)
    await Sweeper(scene.backend).sweep()
    return asked


async def test_what_a_ladder_does_is_told(scene: Scene, post: Post, receiver: Receiver) -> None:
    await remind_and_hand_over(scene, post)
    assert await post.send() == 3
    assert receiver.kinds()[0] == "interrupt.opened"
    assert sorted(receiver.kinds()[1:]) == ["interrupt.escalated", "interrupt.reminded", "interrupt.unroutable"]
    assert receiver.requests[-1].json["data"]["interrupt"]["approvers"]["subjects"] == ["fay", "gus"]


async def test_of_a_question_that_was_answered_meanwhile_only_its_end_is_told(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    """Nobody is reminded of, or called to, what is decided: neither before it was sent nor in a later attempt."""
    asked = await remind_and_hand_over(scene, post)
    await receiver.answer_with(503)
    assert await post.send() > 0
    refused = len(receiver.requests)
    frame = frames.Answer("yes", scene.session, asked.id, "resolved", {"approved": True})
    await answering.answer(scene.backend, Principal("gus"), frame, "test")
    await receiver.answer_with(200)
    await pass_time(scene, DAY_MS // 2)
    while await post.send():
        pass
    assert receiver.kinds()[refused:] == ["interrupt.closed"]
    assert (await post.waiting(), await post.given_up()) == (0, [])


async def test_it_is_signed_as_standard_webhooks_says(scene: Scene, post: Post, receiver: Receiver) -> None:
    await scene.ask_and_wait()
    await post.send()
    [request] = receiver.requests
    assert Verifier(KEY).verify(request.body, request.headers)["type"] == "interrupt.opened"
    with pytest.raises(WebhookVerificationError):
        Verifier(KEY).verify(request.body.replace(b"200", b"900"), request.headers)


async def test_two_keys_sign_while_one_takes_over(scene: Scene, post: Post, receiver: Receiver) -> None:
    next_key = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5IGJ5dGVzISEh"
    both = webhook_keys(Settings(webhook_secret=(next_key, KEY)))
    async with webhook.client() as client:
        post.target = Webhook(receiver.url, both, client)
        post.sender = post.another()
        await scene.ask_and_wait()
        await post.send()
    [request] = receiver.requests
    for key in (KEY, next_key):
        Verifier(key).verify(request.body, request.headers)


async def test_a_failing_target_is_tried_later_and_under_the_same_id(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    receiver.status = 500
    await scene.ask_and_wait()
    assert await post.send() == 1
    assert await post.send() == 0  # its time has not come
    for status in (503, 404, 302):
        receiver.status = status
        await pass_time(scene, notices.LIMIT_MS)
        assert await post.send() == 1
    receiver.status = 200
    await pass_time(scene, notices.LIMIT_MS)
    await post.send()
    assert len({request.id for request in receiver.requests}) == 1
    assert len(receiver.requests) == 5
    assert (await post.waiting(), await post.given_up()) == (0, [])


async def test_a_target_is_left_alone_for_as_long_as_it_says(scene: Scene, post: Post, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 503, {"retry-after": "3600"}
    await scene.ask_and_wait()
    assert await post.send() == 1
    await pass_time(scene, 3_590_000)
    assert await post.send() == 0
    receiver.status = 200
    await pass_time(scene, 20_000)
    assert await post.send() == 1
    assert await post.waiting() == 0


@pytest.mark.parametrize(
    ("said", "wished_ms"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("Sat, 02 May 2026 12:01:00 GMT", 60_000),
        ("Sat, 02 May 2026 11:00:00 GMT", 0),
        *((nonsense, 0) for nonsense in ("", "-1", "1.5", "soon", "9" * 40, "²", "Sat, 02 May 2026 12:01:00 -0000")),
    ],
)
def test_what_a_target_may_say_of_that(said: str, wished_ms: int) -> None:
    assert webhook.wished_ms(said, datetime(2026, 5, 2, 12, tzinfo=UTC)) == wished_ms


async def test_a_redirect_is_not_followed(scene: Scene, post: Post, receiver: Receiver) -> None:
    receiver.status = 307
    receiver.headers = {"location": receiver.url + "/elsewhere"}
    await scene.ask_and_wait()
    await post.send()
    assert [request.path for request in receiver.requests] == ["/hooks"]
    assert await post.waiting() == 1


async def test_after_the_last_attempt_it_is_given_up_and_can_be_replayed(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    receiver.status = 500
    await scene.ask_and_wait()
    for _ in range(notices.ATTEMPTS_MAX):
        assert await post.send() == 1
        await pass_time(scene, notices.LIMIT_MS)
    assert await post.send() == 0
    assert (await post.waiting(), await post.given_up()) == (0, ["500 Said"])
    [dead] = await post.outbox.undelivered(None, 10)
    assert dead.attempts == notices.ATTEMPTS_MAX
    receiver.status = 200
    assert await post.outbox.replay(dead)
    assert not await post.outbox.replay(dead)
    assert await post.send() == 1
    assert len(receiver.requests) == notices.ATTEMPTS_MAX + 1
    assert (await post.waiting(), await post.given_up()) == (0, [])


async def test_gone_is_given_up_at_once_and_the_next_one_is_sent(scene: Scene, post: Post, receiver: Receiver) -> None:
    receiver.status = 410
    shown = await scene.ask_and_wait()
    await post.send()
    assert await post.given_up() == ["410: it wants no more of this"]
    receiver.status = 200
    await approve(scene, shown)
    await post.send()
    assert receiver.kinds() == ["interrupt.opened", "interrupt.closed"]


async def test_a_slow_target_is_left_and_tried_again(scene: Scene, post: Post, receiver: Receiver) -> None:
    post.sender = post.another(deliver_ms=50)
    await receiver.answer_with(None)
    await scene.ask_and_wait()
    await post.send()
    assert await post.waiting() == 1
    await receiver.answer_with(200)
    await pass_time(scene, notices.LIMIT_MS)
    await post.send()
    assert len(receiver.requests) == 2
    assert await post.waiting() == 0


async def test_a_slow_target_delays_no_other(scene: Scene, post: Post, receiver: Receiver) -> None:
    async with Receiver().serving() as slow, webhook.client() as client:
        await slow.answer_with(None)
        stuck = Sender(post.outbox, scene.backend.door, Webhook(slow.url, KEYS, client))
        await stuck.announce()
        await scene.ask_and_wait()
        await post.router.route()
        running = [asyncio.create_task(sender.run()) for sender in (stuck, post.sender)]
        await slow.wait_requests(1)
        await receiver.wait_requests(1)
        assert slow.held == 1
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_a_reminder_overtakes_nothing_and_the_order_stays(scene: Scene, post: Post, receiver: Receiver) -> None:
    """While the opening is under way, the closing waits for it, also where there are two senders."""
    await receiver.answer_with(None)
    shown = await scene.ask_and_wait()
    await post.router.route()
    other = post.another()
    running = [asyncio.create_task(sender.run()) for sender in (post.sender, other)]
    await receiver.wait_requests(1)
    await approve(scene, shown)
    await post.router.route()
    async with asyncio.TaskGroup() as tasks:
        assert await post.another().send(tasks) == 0
    await receiver.answer_with(200)
    await receiver.wait_requests(2)
    assert receiver.kinds() == ["interrupt.opened", "interrupt.closed"]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_two_servers_send_each_notice_once(backend: Backend, post: Post, receiver: Receiver) -> None:
    scenes = [await Scene.begin(backend, ref=f"start-{number}") for number in range(20)]
    for scene in scenes:
        await scene.ask_and_wait()
    work = [part.run() for part in (post.sender, post.another(), post.router, Router(post.outbox))]
    running = [asyncio.create_task(part) for part in work]
    await receiver.wait_requests(20)

    async def nothing_waits() -> bool:
        return await post.waiting() == 0

    await wait_until(nothing_waits, "nothing waits")
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert len(receiver.requests) == len({request.id for request in receiver.requests}) == 20


async def test_a_sender_that_died_is_followed_by_another_under_the_same_id(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    await receiver.answer_with(None)
    await scene.ask_and_wait()
    await post.router.route()
    dying = asyncio.create_task(post.sender.run())
    await receiver.wait_requests(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await receiver.answer_with(200)
    post.sender = post.another()
    assert await post.send() == 0  # the lane is the dead one's until its lease has run out
    await pass_time(scene, 60_001)
    assert await post.send() == 1
    first, second = receiver.requests
    assert first.id == second.id


async def test_what_a_dead_sender_may_have_told_is_told_closed(scene: Scene, post: Post, receiver: Receiver) -> None:
    await receiver.answer_with(None)
    shown = await scene.ask_and_wait()
    await post.router.route()
    dying = asyncio.create_task(post.sender.run())
    await receiver.wait_requests(1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await receiver.answer_with(200)
    await approve(scene, shown)
    await pass_time(scene, 60_001)
    post.sender = post.another()
    await post.send()
    assert receiver.kinds() == ["interrupt.opened", "interrupt.closed"]


async def test_a_deleted_session_closes_what_was_told(scene: Scene, post: Post, receiver: Receiver) -> None:
    shown = await scene.ask_and_wait()
    await post.send()
    await deleting.delete(scene.backend, ALICE, scene.session, "away", "test")
    await post.send()
    closed = receiver.requests[-1]
    assert closed.kind == "interrupt.closed"
    assert closed.json["data"]["interrupt"] == {"id": shown.id}
    assert closed.json["data"]["status"] == "deleted"


async def test_without_a_target_nothing_is_kept(scene: Scene, outbox: Outbox) -> None:
    await scene.ask_and_wait()
    await Router(outbox).route()
    assert (await outbox.backlog()).waiting == 0


async def test_a_target_that_nobody_serves_any_more_is_forgotten(scene: Scene, post: Post) -> None:
    await scene.ask_and_wait()
    await post.router.route()
    assert await post.waiting() == 1
    await pass_time(scene, UNSAID_MS + 1)
    await Router(post.outbox, doubt_ms=0).route()
    assert await post.outbox.targets() == []
    keys = scene.backend.door.keys
    left = await scene.backend.door.connection.execute("KEYS", f"{keys.prefix}:*:to:*")
    assert left == []


async def test_a_clock_that_jumps_forgets_no_target_that_is_served(
    scene: Scene, post: Post, receiver: Receiver
) -> None:
    await scene.ask_and_wait()
    await pass_time(scene, UNSAID_MS + 1)
    await post.router.route()
    await post.sender.announce()
    await Router(post.outbox, doubt_ms=0).route()
    await post.send()
    assert receiver.kinds() == ["interrupt.opened"]


async def test_more_than_a_target_may_have_waiting_is_given_up(
    backend: Backend, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.store.outbox.LANES_MAX", 1)
    scene = await Scene.begin(backend)
    for _ in range(2):
        await scene.ask()
    await post.router.route()
    assert await post.given_up() == ["too many wait for this target"]


def test_what_operators_see_of_an_address_holds_no_secret() -> None:
    target = Webhook("https://me:pass@example.com:8443/hooks?key=1", KEYS, webhook.client())
    assert target.shown == "https://example.com:8443/hooks?…"
