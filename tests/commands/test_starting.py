"""Starting and sending: one session and one turn for a command, however often it is said."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.commands.scene import ALICE, BOB, STRANGER, Scene

from holdfast.commands import sending, starting
from holdfast.commands.backend import Backend
from holdfast.core.errors import (
    AlreadyExists,
    BadInput,
    BadRequest,
    Forbidden,
    LimitReached,
    NotFound,
    RefReused,
    UnknownAgent,
)
from holdfast.core.identity import Principal
from holdfast.protocol.frames import Ok, Send, Start

TEXT = {"type": "text", "text": "x"}


async def start(backend: Backend, frame: Start, by: Principal = ALICE) -> Ok:
    return await starting.start(backend, by, frame, "test")


async def test_a_session_without_a_message_has_no_turn(backend: Backend) -> None:
    started = await start(backend, Start("r1", "support"))
    assert started.turn is None
    view = await backend.door.read(started.session or "")
    assert view.session is not None
    assert view.session.active is None


async def test_an_input_of_null_is_an_input(backend: Backend) -> None:
    started = await start(backend, Start("r1", "support", input=None))
    assert started.turn is not None
    view = await backend.door.read(started.session or "", turns=(started.turn,))
    assert view.turns[started.turn].input is None


async def test_repeated_it_is_the_same_session_and_the_same_reply(backend: Backend) -> None:
    frame = Start("r1", "support", message="hello")
    replies = await asyncio.gather(*(start(backend, frame) for _ in range(5)))
    assert all(reply == replies[0] for reply in replies)
    assert replies[0].seq == 3
    assert (await backend.log.page(replies[0].session or "", 0)).head == 3


async def test_a_known_ref_with_another_body_is_refused(backend: Backend) -> None:
    await start(backend, Start("r1", "support", message="hello"))
    with pytest.raises(RefReused):
        await start(backend, Start("r1", "support", message="good bye"))


async def test_an_id_is_taken_once(backend: Backend) -> None:
    await start(backend, Start("r1", "support", id="mine"))
    with pytest.raises(AlreadyExists):
        await start(backend, Start("r2", "support", id="mine"))
    with pytest.raises(AlreadyExists):
        await start(backend, Start("r1", "support", id="mine"), by=BOB)


async def test_an_unknown_agent_is_refused_with_the_known_ones(backend: Backend) -> None:
    with pytest.raises(UnknownAgent) as refused:
        await start(backend, Start("r1", "suport"))
    assert refused.value.details["known"] == ["support"]


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (Start("", "support"), BadRequest),
        (Start("r" * 129, "support"), BadRequest),
        (Start("r1", "support", id="no.dots"), BadRequest),
        (Start("r1", "support", message=" "), BadInput),
        (Start("r1", "support", message={"parts": []}), BadInput),
        (
            Start("r1", "support", message={"role": "assistant", "parts": [{"type": "text", "text": "x"}]}),
            BadInput,
        ),
        (
            Start("r1", "support", message={"parts": [{"type": "tool-refund", "state": "output-available"}]}),
            BadInput,
        ),
        (Start("r1", "support", title="t" * 201), BadInput),
        (Start("r1", "support", metadata={"x": "y" * 20_000}), BadInput),
        (Start("r1", "support", input=2**60), BadInput),
    ],
)
async def test_what_cannot_be_started(backend: Backend, frame: Start, error: type[Exception]) -> None:
    with pytest.raises(error):
        await start(backend, frame)


async def test_who_may_not_send_may_not_start(backend: Backend) -> None:
    with pytest.raises(Forbidden):
        await start(backend, Start("r1", "support"), by=msgspec.structs.replace(ALICE, can=("read",)))


async def test_a_token_for_some_sessions_starts_no_other(backend: Backend) -> None:
    narrow = msgspec.structs.replace(ALICE, sessions=("team-*",))
    with pytest.raises(NotFound):
        await start(backend, Start("r1", "support", id="other"), by=narrow)
    assert (await start(backend, Start("r1", "support", id="team-1"), by=narrow)).session == "team-1"


async def test_a_message_behind_a_running_turn_is_queued(scene: Scene) -> None:
    sent = await sending.send(scene.backend, ALICE, Send("s1", scene.session, "and A-18"), "test")
    view = await scene.backend.door.read(scene.session, turns=(sent.turn or "",))
    assert view.session is not None
    assert view.session.queue == (sent.turn,)
    assert view.turns[sent.turn or ""].status == "queued"


async def test_a_message_sent_twice_is_there_once(scene: Scene) -> None:
    frame = Send("s1", scene.session, "and A-18")
    replies = await asyncio.gather(*(sending.send(scene.backend, ALICE, frame, "test") for _ in range(5)))
    assert all(reply == replies[0] for reply in replies)
    assert len(await scene.events("message")) == 2


async def test_a_message_has_its_author_whatever_it_says(scene: Scene) -> None:
    forged = {"parts": [{"type": "text", "text": "x"}], "metadata": {"by": {"kind": "person", "id": "bob"}}}
    await sending.send(scene.backend, ALICE, Send("s1", scene.session, forged), "test")
    last = (await scene.events("message"))[-1]
    assert last["message"]["metadata"]["by"]["id"] == "alice"


async def test_only_so_many_messages_wait(scene: Scene) -> None:
    for index in range(50):
        await sending.send(scene.backend, ALICE, Send(f"s{index}", scene.session, "more"), "test")
    before = await scene.fingerprint()
    with pytest.raises(LimitReached):
        await sending.send(scene.backend, ALICE, Send("too much", scene.session, "more"), "test")
    assert await scene.fingerprint() == before


async def test_a_foreign_session_is_not_found(scene: Scene) -> None:
    with pytest.raises(NotFound) as foreign:
        await sending.send(scene.backend, STRANGER, Send("s1", scene.session, "hello"), "test")
    with pytest.raises(NotFound) as absent:
        await sending.send(scene.backend, STRANGER, Send("s1", "none", "hello"), "test")
    assert (foreign.value.message, foreign.value.details) == (absent.value.message, absent.value.details)
