"""Grants: a standing "always allow" that a person gives with an approval.

A grant says yes in its giver's place: where the rules, or the tool, would ask somebody. It stands at "allow" against
"ask", never against "deny"; it never speaks where its giver could not have answered, and never for a quorum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from holdfast.core import ids
from holdfast.core.canonical import canonical_json, input_hash
from holdfast.core.conditions import all_of, check_conditions, fits
from holdfast.core.errors import BadInput
from holdfast.core.identity import By, Principal
from holdfast.core.interrupts import Approvers, GrantWish, Interrupt
from holdfast.core.matching import Case
from holdfast.core.session import SessionRecord
from holdfast.core.turns import TurnRecord

GrantScope = Literal["session", "agent", "person"]

DAY_MS = 86_400_000
WIDE_MS = 30 * DAY_MS  # how long one that is wider than a session stands, unless it says
LONGEST_MS = 366 * DAY_MS  # who means for ever should write a rule
INPUT_MAX_BYTES = 8 * 1024  # of its conditions, as JSON


class Grant(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Calls of one tool of one agent that need not be asked about, and who said so."""

    id: str
    scope: GrantScope
    tool: str
    agent: str
    #: Whose messages cause the calls, where the scope is a person.
    person: str | None
    #: Where it was given, and with which answer.
    session: str
    interrupt: str
    giver: Principal
    at: int
    #: Conditions on the arguments, as in a rule; {}: any.
    input: dict[str, Any] | None = None
    #: Of exactly these arguments, where there are no conditions.
    input_hash: str | None = None
    #: None: as long as its session.
    until: int | None = None
    revoked_by: By | None = None
    revoked_at: int | None = None

    @property
    def home(self) -> str:
        """Where it stands."""
        return ids.home_of(self.id)

    def stands(self, now_ms: int) -> bool:
        return self.revoked_at is None and (self.until is None or self.until > now_ms)

    @property
    def words(self) -> str:
        """What it lets pass, in one sentence."""
        whom = {
            "session": "in this session",
            "agent": f"whenever the agent {self.agent} calls it",
            "person": f"whenever {self.person} has the agent {self.agent} call it",
        }
        return f"Always allow {self.tool} with {_arguments(self)}, {whom[self.scope]}."


def given(
    wish: GrantWish, turn: TurnRecord, shown: Interrupt, effective: dict[str, Any], giver: Principal, now_ms: int
) -> Grant:
    """The grant that an approval asks for.

    Raises:
        BadInput: it cannot be given, or does not cover the very call that was approved. Says what would be right.
    """
    if not shown.grantable or shown.toolName is None:
        raise BadInput("payload.grant: this approval cannot be made a standing grant.", kind=shown.kind)
    conditions = None if wish.input is msgspec.UNSET else wish.input
    _check_input(conditions)
    scope, person = wish.scope, turn.requester.subject if wish.scope == "person" else None
    agent = shown.agent or turn.agent
    home = ids.wide_home(scope, person or agent) if scope != "session" else turn.session
    grant = Grant(
        id=ids.grant_id(shown.id, home),
        scope=scope,
        tool=shown.toolName,
        agent=agent,
        person=person,
        session=turn.session,
        interrupt=shown.id,
        giver=giver,
        at=now_ms,
        input=conditions,
        input_hash=input_hash(effective) if conditions is None else None,
        until=_until(wish, now_ms),
    )
    if not holds_for(grant, effective):
        raise BadInput("payload.grant.input: it does not cover the call that you approve.", input=effective)
    return grant


def covering(
    grants: Sequence[Grant], case: Case, session: SessionRecord, approvers: Approvers | None, now_ms: int
) -> Grant | None:
    """The first of these grants that lets the call pass. None: none does."""
    return next((grant for grant in grants if covers(grant, case, session, approvers, now_ms)), None)


def covers(grant: Grant, case: Case, session: SessionRecord, approvers: Approvers | None, now_ms: int) -> bool:
    """Whether the grant says yes to a call which these people would be asked about."""
    whose = {"session": grant.session == session.id, "agent": True, "person": grant.person == case.person}
    return (
        grant.stands(now_ms)
        and (grant.tool, grant.agent) == (case.tool, case.agent)
        and whose[grant.scope]
        and (approvers is None or approvers.quorum == 1)
        and may_answer(grant.giver, session, approvers, case.person)
        and holds_for(grant, dict(case.input))
    )


def holds_for(grant: Grant, arguments: dict[str, Any]) -> bool:
    """Whether these are arguments that it speaks of. What cannot be told is not (promise 7)."""
    if grant.input is None:
        return grant.input_hash == input_hash(arguments)
    return all_of(fits(path, wanted, arguments) for path, wanted in grant.input.items())[0] == "yes"


def may_answer(principal: Principal, session: SessionRecord, approvers: Approvers | None, requester: str) -> bool:
    """Whether this principal is one of those who are asked.

    Who is named may answer without being a member: that is how it reaches an operator or a manager.
    """
    if not principal.has("answer"):
        return False
    if approvers is not None and approvers.not_requester and principal.subject == requester:
        return False
    if approvers is not None and approvers.named() and (approvers.includes(principal) or not approvers.members):
        return approvers.includes(principal)
    return principal.within(session=session.id, members=session.members)


def _until(wish: GrantWish, now_ms: int) -> int | None:
    longest = now_ms + LONGEST_MS
    if wish.until is None:
        return None if wish.scope == "session" else now_ms + WIDE_MS
    if not now_ms < wish.until <= longest:
        raise BadInput("payload.grant.until: an instant to come, in milliseconds, within a year.", latest=longest)
    return wish.until


def _check_input(conditions: dict[str, Any] | None) -> None:
    if conditions is None:
        return
    try:
        check_conditions(conditions)
    except ValueError as error:
        raise BadInput(f"payload.grant.{error}") from None
    if len(canonical_json(conditions)) > INPUT_MAX_BYTES:
        raise BadInput(f"payload.grant.input: at most {INPUT_MAX_BYTES} bytes.", limit=INPUT_MAX_BYTES)


def _arguments(grant: Grant) -> str:
    if grant.input is None:
        return "exactly these arguments"
    if not grant.input:
        return "any arguments"
    parts = [f"{path} {_wanted(wanted)}" for path, wanted in grant.input.items()]
    return " and ".join(parts)


def _wanted(wanted: Any) -> str:
    operators = cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else {"eq": wanted}
    return " and ".join(f"{name} {canonical_json(operand).decode()}" for name, operand in operators.items())
