"""Voting: several people settle one interrupt. Who has voted, on what, and whether that decides.

A vote is bound to the arguments it was given on. Who edits them starts the vote anew, with the own vote as the
first: no earlier yes is ever counted for arguments that its giver has not seen (promise 6).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from holdfast.core.canonical import input_hash
from holdfast.core.errors import BadInput, Conflict
from holdfast.core.identity import By
from holdfast.core.interrupts import Approvers, Edited, Interrupt, Vote

VOTED_ON = ("approval", "gate")  # what can be answered by yes or no
VOTE_MAX_BYTES = 4 * 1024  # of reason and metadata: all votes together go into one event


def voted_on(shown: Interrupt) -> bool:
    """Whether one answer is not enough."""
    return shown.kind in VOTED_ON and shown.approvers is not None and (shown.approvers.quorum > 1 or shown.tied)


def effective_hash(shown: Interrupt) -> str | None:
    """The digest of the arguments that stand to be decided: the proposed ones, or the edited ones."""
    return shown.edited.inputHash if shown.edited else shown.inputHash


def vote_of(shown: Interrupt, subject: str) -> Vote | None:
    """The vote that a person has given, or a deputy in their place, if it still counts."""
    return next((vote for vote in shown.votes if subject in (vote.by.id, vote.by.deputyFor)), None)


def check_seen(shown: Interrupt, seen: str | None) -> None:
    """Refuse an answer to other arguments than those that stand. None: the answer does not say.

    Raises:
        Conflict: they were edited meanwhile, or are another call's.
    """
    if seen is not None and seen != effective_hash(shown):
        raise Conflict("The arguments are not those that you have seen: look again.", inputHash=effective_hash(shown))


def vote_from(shown: Interrupt, payload: dict[str, Any], by: By, via: str, ref: str | None, now_ms: int) -> Vote:
    """The vote that a checked payload is.

    Raises:
        BadInput: it says too much.     Conflict: a yes that does not say to which of the arguments.
    """
    reason, metadata = payload.get("reason"), payload.get("metadata")
    if len(msgspec.json.encode((reason, metadata))) > VOTE_MAX_BYTES:
        raise BadInput(f"payload: reason and metadata of a vote are at most {VOTE_MAX_BYTES} bytes.")
    if payload["approved"] and shown.edited and "input" not in payload and "inputHash" not in payload:
        raise Conflict(
            "The arguments were edited: look at them, and say in inputHash which you approve.",
            inputHash=shown.edited.inputHash,
        )
    seen = input_hash(payload["input"]) if edits(payload) else effective_hash(shown)
    return Vote(by, payload["approved"], now_ms, via, seen, reason, metadata, ref)


def edits(payload: dict[str, Any]) -> bool:
    """Whether this is a yes to arguments that it brings along."""
    return payload["approved"] and "input" in payload


def agrees(vote: Vote, first: Vote) -> bool:
    """Whether a second vote says the same as the first."""
    return vote.approved == first.approved and (not vote.approved or vote.inputHash == first.inputHash)


def cast(shown: Interrupt, vote: Vote, payload: dict[str, Any]) -> Interrupt:
    """The interrupt with this vote. One for other arguments replaces these, and voids the votes given on them."""
    if vote.inputHash == effective_hash(shown):
        return replace(shown, votes=(*shown.votes, vote))
    edited = None if vote.inputHash == shown.inputHash else Edited(payload["input"], vote.inputHash or "", vote.by)
    return replace(shown, votes=(vote,), edited=edited)


def decides(cast: Interrupt) -> bool | None:
    """What the votes on an interrupt decide; once they have differed and were handed on, the last one alone."""
    assert cast.approvers is not None, "else it is not put to the vote"
    return cast.votes[-1].approved if cast.tied else verdict(cast.approvers, cast.votes)


def differ(cast: Interrupt) -> bool:
    """Whether others must decide, because these do not agree."""
    escalates = cast.approvers is not None and cast.approvers.conflict == "escalate" and not cast.tied
    return escalates and len({vote.approved for vote in cast.votes}) > 1


def verdict(approvers: Approvers, votes: tuple[Vote, ...]) -> bool | None:
    """What these votes decide. None: nothing yet."""
    yes = sum(vote.approved for vote in votes)
    no = len(votes) - yes
    complete = len(votes) >= approvers.quorum
    match approvers.conflict:
        case "veto":
            return False if no else (True if complete else None)
        case "majority":
            return yes > no if complete and yes != no else None
        case "unanimous":
            return no == 0 if complete else None
        case "escalate":
            return no == 0 if complete and 0 in (yes, no) else None


def deciding(votes: tuple[Vote, ...], approved: bool) -> Vote:
    """The vote by which one side came to decide: its last."""
    return [vote for vote in votes if vote.approved is approved][-1]
