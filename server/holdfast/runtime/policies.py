"""The policies that are in force: the author's and the operator's together, each given in Python or in a file.

A file is looked at before each call that is judged, and read again when it has changed. A change holds for what is
judged after it: what is open stays open, and what was decided stays decided.
"""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from holdfast.core.errors import BadInput, HoldfastError, Unusable
from holdfast.core.policies import Policy
from holdfast.core.policy_text import parse

FILE_MAX_BYTES = 1024 * 1024  # of one file; far more than anybody can oversee

#: A policy, or the TOML file that holds one.
PolicySource = Policy | str | Path
#: What tells one state of a file from another: time (ns), size, which file.
_Stamp = tuple[int, int, int] | None

log = structlog.get_logger("holdfast.policies")


class Policies:
    """Ask it for the `current` ones."""

    def __init__(self, *sources: PolicySource | None) -> None:
        given = [source for source in sources if source is not None]
        self._sources = [
            in_known_zones(source, "the policy") if isinstance(source, Policy) else PolicyFile(Path(source))
            for source in given
        ]

    def under(self, operators: str | None) -> Policies:
        """These, and the operator's file beside them. Raises as `read` does."""
        added = Policies(operators)
        added._sources = [*added._sources, *self._sources]
        return added

    def current(self) -> list[Policy]:
        """All of them as they are now. Reads again what has changed; a file that is broken now counts as it was."""
        return [source if isinstance(source, Policy) else source.current() for source in self._sources]


class PolicyFile:
    """One file, as it was when it last made sense.

    Raises:
        BadInput, Unusable: at first, it makes none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = _stamp(path)
        self._policy = read(path)

    def current(self) -> Policy:
        """The policy. A mistake is logged once; until it is mended, the policy before it stays in force."""
        stamp = _stamp(self.path)
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._policy = read(self.path)
            except HoldfastError as error:
                log.error("policy not changed: its file cannot be used", file=str(self.path), why=error.message)
            else:
                log.info("policy changed", file=str(self.path), rules=len(self._policy.rules))
        return self._policy


def read(path: Path) -> Policy:
    """The policy that a file holds.

    Raises:
        BadInput: it holds none: says the line and the field.     Unusable: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unusable(f"The policy {path} cannot be read: {error.strerror}.") from None
    if len(data) > FILE_MAX_BYTES:
        raise BadInput(f"{path}: a policy's file has at most {FILE_MAX_BYTES} bytes.", limit=FILE_MAX_BYTES)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is no UTF-8 text: byte {error.start} is none.") from None
    return in_known_zones(parse(text, str(path)), str(path))


def zone(name: str) -> tzinfo:
    """The time zone of this name. Raises KeyError, ValueError: there is none."""
    return ZoneInfo(name)


def in_known_zones(policy: Policy, name: str) -> Policy:
    """The policy, if there are the time zones that its budgets name. Raises BadInput."""
    for budget in policy.budgets:
        try:
            zone(budget.tz)
        except (KeyError, ValueError, OSError):
            raise BadInput(f"{name}: budget {budget.name!r}: there is no time zone {budget.tz!r}.") from None
    return policy


def _stamp(path: Path) -> _Stamp:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
