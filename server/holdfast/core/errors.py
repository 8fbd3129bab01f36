"""Every way a request can be refused, as one tree with stable codes.

    HoldfastError
    ├── Refused               what was asked cannot be done; nothing was changed
    │   ├── BadRequest            bad_request        malformed: says what, where, and what would be right
    │   │   ├── UnknownFrame          unknown_frame
    │   │   ├── TooLarge              too_large
    │   │   ├── BadInput              bad_input          does not fit the schema it must fit
    │   │   └── ForgedOutput          forged_output      a device sent what only the server may say
    │   ├── Unauthenticated       unauthenticated    no token, or one that cannot be trusted
    │   │   └── TokenExpired          token_expired
    │   ├── Forbidden             forbidden          the principal may not do this
    │   │   └── CannotGrant           cannot_grant       may answer, and not give a standing yes
    │   ├── NotFound              not_found          no such session, turn or interrupt for this principal
    │   ├── Gone                  gone               the session was deleted
    │   ├── Conflict              conflict           true of other records than those there are
    │   │   ├── RefReused             ref_reused         this ref already named another command
    │   │   ├── GateReused            gate_reused        this id already named another gate
    │   │   ├── AlreadyExists         already_exists
    │   │   ├── LeaseOver             lease_over         the turn is not this worker's any more
    │   │   └── NumberSkipped         number_skipped     the worker's write before this one never arrived
    │   ├── UnknownAgent          unknown_agent
    │   ├── LimitReached          limit_reached
    │   └── NotImplementedYet     not_implemented
    ├── Unavailable           cannot be done now; the same request may succeed later
    │   ├── Busy                  busy               guards kept failing
    │   ├── SessionBusy           session_busy       a turn runs or waits, and the message was not to wait for it
    │   ├── StoreUnavailable      store_unavailable
    │   ├── OutcomeUnknown        outcome_unknown    sent, and no reply came: repeat with the same ref
    │   └── Draining              draining
    └── Unusable              an operator or author must act
        ├── StoreUnusable         store_unusable     wrong eviction policy, version, folder, ...
        └── ReplayDiverged        replay_diverged    the code took another path than its record

The docstring of a class is its default message. Losing a race is a result, never an error.
"""

from __future__ import annotations

from typing import Any, ClassVar


class HoldfastError(Exception):
    """Something went wrong."""

    #: Stable, for programs. Documented in docs/protocol.md.
    code: ClassVar[str] = "error"
    #: Whether the same request, unchanged, may succeed later.
    retry: ClassVar[bool] = False
    #: The HTTP status that says the same.
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        #: Facts for programs: the field, the limit, the current value.
        self.details = details
        super().__init__(self.message)


class Refused(HoldfastError):
    """What was asked cannot be done; nothing was changed."""

    code, status = "refused", 400


class BadRequest(Refused):
    """The request is malformed."""

    code, status = "bad_request", 400


class UnknownFrame(BadRequest):
    """There is no frame of this type."""

    code = "unknown_frame"


class TooLarge(BadRequest):
    """What was sent is over its limit."""

    code, status = "too_large", 413


class BadInput(BadRequest):
    """The value does not fit the schema that it must fit."""

    code, status = "bad_input", 422


class ForgedOutput(BadRequest):
    """A device cannot write the output of a tool that runs on the server."""

    code, status = "forged_output", 403


class Unauthenticated(Refused):
    """No valid token was given."""

    code, status = "unauthenticated", 401


class TokenExpired(Unauthenticated):
    """The token has expired; get a new one."""

    code = "token_expired"


class Forbidden(Refused):
    """This principal may not do that."""

    code, status = "forbidden", 403


class CannotGrant(Forbidden):
    """This principal may answer here, and not give a standing yes: it would speak for others, and not for them."""

    code = "cannot_grant"


class NotFound(Refused):
    """There is no such thing here, or it is not yours to see."""

    code, status = "not_found", 404


class Gone(Refused):
    """The session was deleted."""

    code, status = "gone", 410


class Conflict(Refused):
    """The request does not fit the present state."""

    code, status = "conflict", 409


class RefReused(Conflict):
    """This ref already named a command with another body; make a new ref."""

    code = "ref_reused"


class GateReused(Conflict):
    """This id already named a gate that asks something else; take a new id."""

    code = "gate_reused"


class AlreadyExists(Conflict):
    """There is one of this id already."""

    code = "already_exists"


class LeaseOver(Conflict):
    """The turn is not yours any more: another worker has it, or nobody. Stop, and write nothing more for it."""

    code = "lease_over"


class NumberSkipped(Conflict):
    """The write with the number before this one never arrived; send that one first."""

    code = "number_skipped"


class UnknownAgent(Refused):
    """No agent of this name is registered."""

    code, status = "unknown_agent", 404


class LimitReached(Refused):
    """A limit is reached."""

    code, status = "limit_reached", 429


class NotImplementedYet(Refused):
    """This part of the contract is not built yet."""

    code, status = "not_implemented", 501


class Unavailable(HoldfastError):
    """Cannot be done now; try again."""

    code, retry, status = "unavailable", True, 503


class Busy(Unavailable):
    """Too many writers at once; try again."""

    code = "busy"


class SessionBusy(Unavailable):
    """A turn of this session runs or waits, and the message was not to wait for it."""

    code = "session_busy"


class StoreUnavailable(Unavailable):
    """The store does not answer; nothing was sent to it."""

    code = "store_unavailable"


class OutcomeUnknown(Unavailable):
    """It was sent to the store and no reply came: repeat it with the same ref to learn the outcome."""

    code = "outcome_unknown"


class Draining(Unavailable):
    """This server is shutting down; connect to another."""

    code = "draining"


class Unusable(HoldfastError):
    """An operator must act before this can work."""

    code = "unusable"


class StoreUnusable(Unusable):
    """The store cannot be used as it is configured."""

    code = "store_unusable"


class ReplayDiverged(Unusable):
    """The code took another path than its record: deploy the old version, or guard the change with turn.patched."""

    code = "replay_diverged"
