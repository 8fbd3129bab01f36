"""What a chat asks, done by the commands that everybody uses: start, send, replace, answer."""

from __future__ import annotations

from ulid import ULID

from holdfast.commands import sending, starting, updating
from holdfast.commands.backend import Backend
from holdfast.commands.reading import folded
from holdfast.core.errors import BadInput, NotFound
from holdfast.core.folding import State
from holdfast.core.identity import Principal
from holdfast.core.ids import check_session_id
from holdfast.gateways.ai_sdk.posted import Chat, Posted, answers, find, meant, said_alike
from holdfast.gateways.ai_sdk.reply import Reply
from holdfast.gateways.sessions import current, known, ref_of
from holdfast.protocol.frames import Send, Start, Update

VIA = "ai-sdk"


async def submit(backend: Backend, principal: Principal, agent: str, chat: Chat) -> tuple[State, Reply]:
    """Do what a chat asks; the session before that, and the reply from there on.

    Raises as the commands do; nothing was done then.
    """
    check_session_id(chat.id)
    posted = meant(chat)
    state = await known(backend, principal, chat.id)
    if posted.role == "user":
        turn = await _say(backend, principal, agent, chat, posted, state)
        return state or await folded(backend, chat.id), Reply(turn)
    if posted.role != "assistant" or chat.trigger == "regenerate-message":
        raise BadInput("messages: give the person's message, or the agent's with answers in it.", path="messages")
    if state is None:
        raise NotFound("There is no such session, or it is not yours to see.")
    return state, await _answer(backend, principal, chat, posted, state)


async def resume(backend: Backend, principal: Principal, session: str) -> tuple[State, Reply] | None:
    """The reply that goes on, or was the last one, from its message's start. None: nothing was ever said."""
    state = await known(backend, principal, session)
    turn = None if state is None else current(state)
    return None if state is None or turn is None else (state, Reply(turn.id))


async def _say(
    backend: Backend, principal: Principal, agent: str, chat: Chat, posted: Posted, state: State | None
) -> str | None:
    """The turn that answers what a person says, edits, or wants answered anew."""
    ref = ref_of("ai", chat.id, "say", posted.id)
    if state is None:
        frame = Start(ref, agent, id=chat.id, message=posted.words)
        return (await starting.start(backend, principal, frame, VIA)).turn
    there = find(state, posted.id)
    if chat.trigger == "regenerate-message":
        return await _anew(backend, principal, chat, state, posted)
    if there is None:
        return (await sending.send(backend, principal, Send(ref, chat.id, posted.words), VIA)).turn
    if said_alike(posted, there.message):  # it has come already, and only its reply was lost
        return there.place.turn
    ref = ref_of("ai", chat.id, "edit", posted.id, posted.parts)
    edit = Send(ref, chat.id, posted.words, replaces=there.message.id)
    return (await sending.send(backend, principal, edit, VIA)).turn


async def _anew(backend: Backend, principal: Principal, chat: Chat, state: State, posted: Posted) -> str | None:
    """Each time is another time: so its ref cannot be told from what was posted."""
    named, asked = find(state, chat.messageId), find(state, posted.id)
    placed = named if named is not None and named.message.role == "assistant" else None
    if placed is None and asked is not None:
        turn = state.turns.get(asked.place.turn or "")
        placed = state.messages.get(turn.message or "") if turn is not None else None
    if placed is None:
        raise NotFound("There is no answer that could be given anew.")
    frame = Send(str(ULID()), chat.id, None, replaces=placed.message.id)
    return (await sending.send(backend, principal, frame, VIA)).turn


async def _answer(backend: Backend, principal: Principal, chat: Chat, posted: Posted, state: State) -> Reply:
    placed = find(state, posted.id)
    if placed is None:
        raise NotFound("There is no such message in this session.", id=posted.id[:200])
    updates = answers(posted, placed.message, state)
    refusal: str | None = None
    if updates:
        ref = ref_of("ai", chat.id, posted.id, updates)
        told = await updating.update(backend, principal, Update(ref, chat.id, updates, placed.message.id), VIA)
        refusal = next((result.error["message"] for result in told.results if result.error is not None), None)
    return Reply(placed.place.turn, posted.known, refusal)
