"""Absences: when what is open is looked at again, because somebody goes away or is back.

    foretell ──▶ it is noted, in the directory of people ──▶ look

The directory and the deadline stand in two places, and no commit spans both. So the look is foretold: if whoever notes
the absence dies in between, it comes all the same, a little later. One deadline stands for the beginning of an absence
and one for its end, whatever is said how often.
"""

from __future__ import annotations

from holdfast.core.audit import AuditEntry
from holdfast.core.commit import Commit
from holdfast.core.deadlines import Deadline, member
from holdfast.core.identity import By
from holdfast.core.people import Away

NOTED_WITHIN_MS = 2_000  # of being foretold; it takes about one
END = "end"


def foretell(home: str, until: int) -> Commit:
    """Somebody will be noted as away until then: look soon, and when that is over."""
    soon, ends = Deadline("absence", home, in_ms=NOTED_WITHIN_MS), Deadline("absence", home, until, operation=END)
    return Commit(home, "foretell", on_shelf=True, set_deadlines=[soon, ends])


def foretell_return(home: str) -> Commit:
    """Somebody will be noted as back."""
    soon = Deadline("absence", home, in_ms=NOTED_WITHIN_MS)
    return Commit(home, "foretell", on_shelf=True, set_deadlines=[soon], drop_deadlines=[member("absence", home, END)])


def look(home: str, said: AuditEntry) -> Commit:
    """It is noted: look now, and tell the trail who said so."""
    return Commit(home, "look", on_shelf=True, set_deadlines=[Deadline("absence", home)], audit=[said])


def gone(home: str, absence: Away, by: By, via: str) -> AuditEntry:
    """The trail's line for somebody who goes away: who may answer in their place, until when."""
    to = () if absence.deputy is None else (absence.deputy,)
    return AuditEntry("person.away", home, by, to=to, until=absence.until, via=via)


def back(home: str, by: By, via: str) -> AuditEntry:
    """The same for who is back."""
    return AuditEntry("person.back", home, by, via=via)


def looked(home: str, at: str, further: str | None) -> Commit:
    """A piece was looked at; the next one begins at `further`. None: that was the last."""
    due = member("absence", home, at)
    left = [] if further is None else [Deadline("absence", home, operation=further)]
    return Commit(home, "looked", on_shelf=True, due=[due], drop_deadlines=[due], set_deadlines=left)
