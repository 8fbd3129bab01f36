"""What a run asks, done by the commands that everybody uses: answer, start, send."""

from __future__ import annotations

from typing import Any

from holdfast.commands import answering, sending, starting
from holdfast.commands.backend import Backend
from holdfast.commands.reading import folded
from holdfast.core.errors import HoldfastError, NotFound
from holdfast.core.folding import State
from holdfast.core.identity import Principal
from holdfast.gateways.ag_ui import inputs
from holdfast.gateways.ag_ui.history import Names
from holdfast.gateways.ag_ui.inputs import Given, RunInput
from holdfast.gateways.ag_ui.run import Run
from holdfast.gateways.sessions import current, known, ref_of
from holdfast.protocol.frames import Answer, Send, Start

VIA = "ag-ui"


async def submit(backend: Backend, principal: Principal, agent: str, given: RunInput) -> tuple[State | None, Run]:
    """Do what a run asks; the session before that, and what is to be told from there on. None: there is no session.

    Each answer is one by itself: what was taken stays taken, whatever becomes of the others. A refused one is told
    by the run, and what the person says besides is then not said.

    Raises as the commands do; nothing was done then.
    """
    messages = inputs.posted(given)
    client, words = inputs.client(given, messages), inputs.words(given, messages)
    state = await known(backend, principal, given.threadId)
    if state is None:
        if given.resume:
            raise NotFound("There is no such session, or it is not yours to see.")
        turn = await _start(backend, principal, agent, given.threadId, words)
        return (await folded(backend, given.threadId) if turn is not None else None), Run(client, turn)
    answers = list(inputs.answers(given, messages, state))
    refusals = [await _answer(backend, principal, given.threadId, answer) for answer in answers]
    refusal = next((refused for refused in refusals if refused is not None), None)
    said = None if refusal or words is None else await _say(backend, principal, given.threadId, words, state)
    return state, Run(client, said or _turn(state, answers, words), refusal)


async def connect(backend: Backend, principal: Principal, given: RunInput) -> tuple[State | None, Run]:
    """What there is, and the turn that goes on. Nothing is done."""
    client = inputs.client(given, inputs.posted(given))
    state = await known(backend, principal, given.threadId)
    turn = current(state) if state is not None else None
    return state, Run(client, turn.id if turn is not None else None)


async def _start(
    backend: Backend, principal: Principal, agent: str, session: str, words: dict[str, Any] | None
) -> str | None:
    if words is None:
        return None
    frame = Start(ref_of("agui", session, "say", words["id"]), agent, id=session, message=words)
    return (await starting.start(backend, principal, frame, VIA)).turn


async def _say(backend: Backend, principal: Principal, session: str, words: dict[str, Any], state: State) -> str | None:
    """The turn that a message causes. None: it has been said already, and is not said again."""
    if Names(state).find(words["id"]) is not None:
        return None
    frame = Send(ref_of("agui", session, "say", words["id"]), session, words)
    return (await sending.send(backend, principal, frame, VIA)).turn


async def _answer(backend: Backend, principal: Principal, session: str, given: Given) -> HoldfastError | None:
    """Why an answer was refused. To lose is no refusal: the stream shows the decision that stands."""
    ref = ref_of("agui", session, given.interrupt, given.status, given.payload)
    frame = Answer(ref, session, given.interrupt, given.status, given.payload)
    try:
        await answering.answer(backend, principal, frame, VIA)
    except HoldfastError as error:
        return error
    return None


def _turn(state: State, answers: list[Given], words: dict[str, Any] | None) -> str | None:
    """The turn that was answered, or that is to answer what was said before, or the one that goes on or was last."""
    asking = (state.interrupts.get(answer.interrupt) for answer in answers)
    answered = next((shown["turn"] for shown in asking if shown is not None), None)
    said = Names(state).find(words["id"]) if words is not None else None
    turn = current(state)
    return answered or (said.place.turn if said is not None else None) or (turn.id if turn is not None else None)
