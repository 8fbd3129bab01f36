"""What only a session's owner may do, or an admin."""

from __future__ import annotations

from holdfast.commands.attempts import present
from holdfast.core.errors import Forbidden
from holdfast.core.identity import Principal
from holdfast.core.session import SessionRecord
from holdfast.store.door import View


def owned(view: View, principal: Principal) -> SessionRecord:
    """The session, if this principal may change what it is.

    Raises:
        NotFound, Gone: there is none, or it is out of reach.
        Forbidden: it is in reach, and somebody else's.
    """
    session = present(view, principal, "send")
    if session.info.owner != principal.subject and not principal.has("admin"):
        raise Forbidden("Only the session's owner or an admin may do this.", owner=session.info.owner)
    return session
