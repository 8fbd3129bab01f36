"""The table of all routes: what is served, and what is described, comes from here alone."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.commands.auditing import AuditPage
from holdfast.commands.events import EventPage
from holdfast.commands.feedback import FeedbackPage
from holdfast.commands.grants import GrantPage, Preview
from holdfast.commands.inbox import InboxPage
from holdfast.commands.leaving import Absence
from holdfast.commands.notices import DeadNotices, Replayed
from holdfast.commands.patching import StateShown
from holdfast.commands.reading import InterruptShown, SessionPage, SessionSnapshot
from holdfast.commands.reporting import Report
from holdfast.commands.scheduling import SchedulePage, ScheduleShown
from holdfast.commands.workflows import GROUPS, TurnPage, WorkflowShown
from holdfast.gateways.ai_sdk import over_http as ai_sdk
from holdfast.gateways.ai_sdk.posted import Chat
from holdfast.gateways.links.token import Link
from holdfast.gateways.minting import Minted, Wanted
from holdfast.gateways.rest import (
    agents,
    audit,
    events,
    feedback,
    gates,
    grants,
    interrupts,
    links,
    notices,
    people,
    schedules,
    sessions,
    state,
    tokens,
    turns,
)
from holdfast.gateways.rest.exchange import BODY_MAX_BYTES, Handler
from holdfast.protocol.frames import Answered, AnsweredMany, Continued, GateShown, Ok

PAGED = {"cursor": "Where the page before ended: its `next`.", "limit": "Items of one page."}
GATE = {"session": "The session in which it stands, if that is not its own."}
REF = {"ref": "The command's id: repeating it repeats the reply, not the effect."}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[Any] | None = None
    body_max: int = BODY_MAX_BYTES
    #: Status → what is answered then.
    replies: dict[int, type[Any]] = {}
    #: Parameters of the query, and what they mean.
    query: dict[str, str] = {}


ANSWERED = {200: Answered, 202: Answered, 409: Answered}

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/sessions",
        handler=sessions.start,
        summary="Start a session, with its first turn if a message or an input is given.",
        body=sessions.NewSession,
        replies={201: sessions.Started},
    ),
    Route(
        method="GET",
        path="/v1/sessions",
        handler=sessions.sessions,
        summary="The sessions that you may see, the last written first.",
        replies={200: SessionPage},
        query=PAGED,
    ),
    Route(
        method="GET",
        path="/v1/sessions/{id}",
        handler=sessions.session,
        summary="A session as it is: its newest messages, turns, and what is open.",
        replies={200: SessionSnapshot},
        query={"limit": "Messages in the snapshot."},
    ),
    Route(
        method="DELETE",
        path="/v1/sessions/{id}",
        handler=sessions.delete,
        summary="Delete a session, for good. For its owner or an admin.",
        replies={200: Ok},
        query=REF,
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/messages",
        handler=sessions.send,
        summary="Send a message: it causes a turn, at once or behind the one that runs or waits.",
        body=sessions.NewMessage,
        replies={201: Ok},
    ),
    Route(
        method="GET",
        path="/v1/sessions/{id}/state",
        handler=state.read,
        summary="The session's shared state, and its version.",
        replies={200: StateShown},
    ),
    Route(
        method="PATCH",
        path="/v1/sessions/{id}/state",
        handler=state.patch,
        summary="Change the state by JSON Patch; with a version, only if that one stands.",
        body=state.NewPatch,
        replies={200: Ok},
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/feedback",
        handler=feedback.give,
        summary="Say something about a message, an operation or an interrupt; again, in place of what you said.",
        body=feedback.NewFeedback,
        replies={201: Ok},
    ),
    Route(
        method="GET",
        path="/v1/sessions/{id}/feedback",
        handler=feedback.read,
        summary="What was said about this session.",
        replies={200: FeedbackPage},
        query={"context": "`true`: with the messages, the call and the decision that each is about."},
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/takeover",
        handler=sessions.take_over,
        summary="Speak in the agent's place: no turn runs until the handback. For operators and admins.",
        body=turns.OnlyRef,
        replies={200: Ok},
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/branch",
        handler=sessions.switch,
        summary="Show and speak on another branch. Refused while a turn runs or waits.",
        body=sessions.NewBranch,
        replies={200: Ok},
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/handback",
        handler=sessions.hand_back,
        summary="Let the agent speak again. For operators and admins.",
        body=sessions.NewHandback,
        replies={200: Ok},
    ),
    Route(
        method="PUT",
        path="/v1/sessions/{id}/members/{sub}",
        handler=sessions.put_member,
        summary="Make somebody a member. For the session's owner or an admin.",
        replies={200: Ok},
        query=REF,
    ),
    Route(
        method="DELETE",
        path="/v1/sessions/{id}/members/{sub}",
        handler=sessions.remove_member,
        summary="Take somebody out. For the session's owner or an admin.",
        replies={200: Ok},
        query=REF,
    ),
    Route(
        method="GET",
        path="/v1/sessions/{id}/events",
        handler=events.read,
        summary="Events after a position: a page, or with Accept: text/event-stream, live.",
        replies={200: EventPage},
        query={"since": "epoch:seq, or 0 for the beginning.", "limit": "Events of one page."},
    ),
    Route(
        method="GET",
        path="/v1/interrupts",
        handler=interrupts.interrupts,
        summary="The inbox: what is open and yours to answer, over all sessions, the newest first.",
        replies={200: InboxPage},
        query=PAGED,
    ),
    Route(
        method="GET",
        path="/v1/interrupts/{iid}",
        handler=interrupts.interrupt,
        summary="An interrupt with its history.",
        replies={200: InterruptShown},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/answer",
        handler=interrupts.answer,
        summary="Answer: 200 it won, 202 it was recorded, 409 it lost to the decision in the reply.",
        body=interrupts.NewAnswer,
        replies=ANSWERED,
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/interrupts/{iid}/answer",
        handler=interrupts.answer,
        summary="The same, under its session.",
        body=interrupts.NewAnswer,
        replies=ANSWERED,
    ),
    Route(
        method="POST",
        path="/v1/interrupts/answers",
        handler=interrupts.answer_many,
        summary="Answer several: one result for each, and none touches another.",
        body=interrupts.NewAnswers,
        replies={200: AnsweredMany},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/claim",
        handler=interrupts.claim,
        summary="Say that you are looking at it, or that a device does it: shown to all until it ends by itself.",
        body=interrupts.NewClaim,
        replies={200: Ok},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/progress",
        handler=interrupts.progress,
        summary="Say how far the device is that runs a client tool.",
        body=interrupts.NewProgress,
        replies={200: Ok},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/withdraw",
        handler=interrupts.withdraw,
        summary="Take back what was asked: 200 it won, 409 it lost to the decision in the reply. For operators.",
        body=interrupts.NewWithdrawal,
        replies={200: Answered, 409: Answered},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/links",
        handler=links.make,
        summary="Make a link by which one person answers it, once. With the right 'mint', never more than your own.",
        body=links.NewLink,
        replies={201: Link},
    ),
    Route(
        method="POST",
        path="/v1/notices",
        handler=notices.notify,
        summary="Tell people something outside any turn. Nobody is asked anything.",
        body=notices.NewNotice,
        replies={201: Ok},
    ),
    Route(
        method="GET",
        path="/v1/notices/dead",
        handler=notices.dead,
        summary="Notices that no attempt could deliver, the newest first. For operators.",
        replies={200: DeadNotices},
        query=PAGED,
    ),
    Route(
        method="POST",
        path="/v1/notices/dead/replay",
        handler=notices.replay,
        summary="Send them again: those named, or the newest thousand. For operators.",
        body=notices.NewReplay,
        replies={200: Replayed},
    ),
    Route(
        method="POST",
        path="/v1/interrupts/{iid}/grant",
        handler=grants.preview,
        summary="What a grant would be, and which past calls of the session it would have let pass. Gives none.",
        body=grants.NewPreview,
        replies={200: Preview},
    ),
    Route(
        method="GET",
        path="/v1/grants",
        handler=grants.page,
        summary="The grants that stand and that you may see, the newest first.",
        replies={200: GrantPage},
        query=PAGED,
    ),
    Route(
        method="DELETE",
        path="/v1/grants/{gid}",
        handler=grants.revoke,
        summary="Revoke a grant, for all that is judged from now on.",
        replies={200: Ok},
        query=REF,
    ),
    Route(
        method="POST",
        path="/v1/sessions/{id}/turns/{tid}/cancel",
        handler=turns.cancel,
        summary="Cancel a turn. One that has ended stays as it is.",
        body=turns.OnlyRef,
        replies={200: Ok},
    ),
    Route(
        method="GET",
        path="/v1/turns",
        handler=turns.turns,
        summary="Turns of your sessions, the last written first; of all sessions for operators.",
        replies={200: TurnPage},
        query={"status": f"One of {', '.join(GROUPS)}.", "agent": "Its name."} | PAGED,
    ),
    Route(
        method="GET",
        path="/v1/turns/{tid}",
        handler=turns.turn,
        summary="A turn with its operations, as they are recorded, and what it asks.",
        replies={200: WorkflowShown},
    ),
    Route(
        method="POST",
        path="/v1/turns/{tid}/approve",
        handler=turns.approve,
        summary="Open the one gate at which the turn waits; 409 with those that are open if it is not exactly one.",
        body=turns.NewDecision,
        replies=ANSWERED,
    ),
    Route(
        method="POST",
        path="/v1/turns/{tid}/reject",
        handler=turns.reject,
        summary="Close it: the turn is told no.",
        body=turns.NewDecision,
        replies=ANSWERED,
    ),
    Route(
        method="POST",
        path="/v1/turns/{tid}/continue",
        handler=turns.carry_on,
        summary="Let a turn go on that is ready to continue: 200 it won, 409 it lost to who is named in the reply.",
        body=turns.OnlyRef,
        replies={200: Continued, 409: Continued},
    ),
    Route(
        method="POST",
        path="/v1/turns/{tid}/retry",
        handler=turns.retry,
        summary="Let a blocked turn try again, or a failed one go on from what is recorded. For operators.",
        body=turns.OnlyRef,
        replies={200: Ok},
    ),
    Route(
        method="GET",
        path="/v1/me/away",
        handler=people.absence,
        summary="Whether you are away, and who stands in.",
        replies={200: Absence},
    ),
    Route(
        method="PUT",
        path="/v1/me/away",
        handler=people.leave,
        summary="Say that you are away, and who may answer in your place.",
        body=people.NewAbsence,
        replies={200: Absence},
    ),
    Route(
        method="DELETE",
        path="/v1/me/away",
        handler=people.come_back,
        summary="Say that you are back.",
        replies={200: Absence},
    ),
    Route(
        method="POST",
        path="/v1/tokens",
        handler=tokens.mint,
        summary="Mint a token, within your own rights.",
        body=Wanted,
        replies={201: Minted},
    ),
    Route(
        method="POST",
        path="/v1/schedules",
        handler=schedules.create,
        summary="Have turns start by themselves: after a delay, at an instant, or at those of a cron expression.",
        body=schedules.NewSchedule,
        replies={201: ScheduleShown},
    ),
    Route(
        method="GET",
        path="/v1/schedules",
        handler=schedules.schedules,
        summary="Schedules, by name: your own; all of them for operators and admins.",
        replies={200: SchedulePage},
        query=PAGED,
    ),
    Route(
        method="DELETE",
        path="/v1/schedules/{name}",
        handler=schedules.cancel,
        summary="Cancel a schedule: it fires no more.",
        replies={200: ScheduleShown},
    ),
    Route(
        method="GET",
        path="/v1/agents",
        handler=agents.agents,
        summary="The agents that can be talked to.",
        replies={200: agents.Agents},
    ),
    Route(
        method="POST",
        path="/v1/gates",
        handler=gates.request,
        summary="Ask people to let something pass: 201 it was opened, 200 it was there.",
        body=gates.NewGate,
        replies={201: GateShown, 200: GateShown},
    ),
    Route(
        method="GET",
        path="/v1/gates/{id}",
        handler=gates.gate,
        summary="A gate as it stands, once it is decided (wait), or with Accept: text/event-stream, live.",
        replies={200: GateShown},
        query=GATE | {"wait": "How long to wait for the decision: 30s, at most a minute."},
    ),
    Route(
        method="POST",
        path="/v1/gates/{id}/decide",
        handler=gates.decide,
        summary="Decide a gate: the same as answering its interrupt.",
        body=interrupts.NewAnswer,
        replies=ANSWERED,
        query=GATE,
    ),
    Route(
        method="GET",
        path="/v1/audit/report",
        handler=audit.report,
        summary="What people decide, by tool and range of arguments, and rules that would say the same.",
        replies={200: Report},
        query=audit.REPORTED,
    ),
    Route(
        method="GET",
        path="/v1/audit",
        handler=audit.audit,
        summary="The audit trail, the newest entry first. For operators and admins.",
        replies={200: AuditPage},
        query=audit.FILTERS | audit.MORE | PAGED,
    ),
    Route(
        method="POST",
        path="/ai/chat/{agent}",
        handler=ai_sdk.post,
        summary="The AI SDK's DefaultChatTransport: do what a chat asks, and stream the reply.",
        body=Chat,
        body_max=ai_sdk.BODY_MAX_BYTES,
    ),
    Route(
        method="GET",
        path="/ai/chat/{agent}/{id}/stream",
        handler=ai_sdk.again,
        summary="The AI SDK's resume: the reply that goes on, or the last one; 204 if there is none.",
    ),
)
