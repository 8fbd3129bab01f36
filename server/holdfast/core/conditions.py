"""Conditions: whether an argument is what a rule speaks of. The answer is yes, no, or unclear.

Unclear is what cannot be compared: a text with a number, or the absence of an argument with what it must not be.
A missing argument is otherwise a plain no, so that a rule on `path` says nothing of tools that have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal, cast

from holdfast.core.canonical import canonical_json
from holdfast.core.errors import BadInput

Fit = Literal["yes", "no", "unclear"]
#: A fit, and why it is not a yes.
Found = tuple[Fit, str]

ABSENT = object()
_NEGATIVE = {"ne", "not_in"}


def fits(path: str, wanted: Any, values: Mapping[str, Any]) -> Found:
    """Whether the argument at `path` (`customer.country` looks inside) is as wanted."""
    value = value_at(path, values)
    return all_of(_holds(path, operator, value, operand) for operator, operand in _operators(wanted).items())


def all_of(found: Iterable[Found]) -> Found:
    """Yes if all are; one no is enough for a no; else unclear."""
    unclear: Found | None = None
    for fit, why in found:
        if fit == "no":
            return fit, why
        if fit == "unclear":
            unclear = unclear or (fit, why)
    return unclear or ("yes", "")


def check_conditions(conditions: Mapping[str, Any]) -> None:
    """Let conditions pass that can be used.

    Raises:
        ValueError: one cannot, with its place and what would be right.
    """
    for path, wanted in conditions.items():
        check_path("input", path)
        operators = _operators(wanted)
        if not operators:
            raise ValueError(f"input.{path}: give a value, or conditions such as {{lte = 50}}")
        for operator, operand in operators.items():
            _check(f"input.{path}.{operator}", operator, operand)


def check_path(where: str, path: str) -> None:
    """Raises ValueError where `path` names no argument."""
    if not all(path.split(".")):
        raise ValueError(f"{where}: {path!r} names no argument")


def _check(where: str, operator: str, operand: Any) -> None:
    if operator not in _OPERATORS and operator != "exists":
        known = ", ".join([*_OPERATORS, "exists"])
        raise ValueError(f"{where}: there is no such condition; there are {known}")
    right: dict[str, tuple[bool, str]] = {
        "exists": (isinstance(operand, bool), "true or false"),
        "glob": (isinstance(operand, str), "a text"),
        "in": (isinstance(operand, list | tuple), "a list"),
        "not_in": (isinstance(operand, list | tuple), "a list"),
    }
    ordered = (_is_number(operand) or isinstance(operand, str), "a number or a text")
    fine, expected = right.get(operator, ordered if operator in ("lt", "lte", "gt", "gte") else (True, ""))
    if not fine:
        raise ValueError(f"{where}: must be {expected}")
    try:
        canonical_json(operand)
    except BadInput as error:
        raise ValueError(f"{where}: {error.message.removeprefix('$: ')}") from None


def _operators(wanted: Any) -> dict[str, Any]:
    """A bare value is to be equal."""
    return cast("dict[str, Any]", wanted) if isinstance(wanted, dict) else {"eq": wanted}


def value_at(path: str, values: Any) -> Any:
    """The argument at `path`, or ABSENT."""
    for step in path.split("."):
        if not isinstance(values, Mapping) or step not in values:
            return ABSENT
        values = cast("Mapping[str, Any]", values)[step]
    return values


def _holds(path: str, operator: str, value: Any, operand: Any) -> Found:
    if operator == "exists":
        there = value is not ABSENT
        return ("yes", "") if there is operand else ("no", f"{path} is {'given' if there else 'not given'}")
    if value is ABSENT:
        return "unclear" if operator in _NEGATIVE else "no", f"{path} is not given"
    holds = _OPERATORS[operator](value, operand)
    if holds is None:
        return "unclear", f"{path} is {_shown(value)}, which cannot be compared: {operator} {_shown(operand)}"
    return ("yes", "") if holds else ("no", f"{path} is {_shown(value)}, not {operator} {_shown(operand)}")


def _shown(value: Any) -> str:
    return canonical_json(value).decode()[:80]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(value: Any, operand: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    return canonical_json(value) == canonical_json(operand)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    def holds(value: Any, operand: Any) -> bool | None:
        comparable = (_is_number(value) and _is_number(operand)) or (
            isinstance(value, str) and isinstance(operand, str)
        )
        return compare(value, operand) if comparable else None

    return holds


def _glob(value: Any, operand: str) -> bool | None:
    return fnmatchcase(value, operand) if isinstance(value, str) else None


def _contains(value: Any, operand: Any) -> bool | None:
    if isinstance(value, str) and isinstance(operand, str):
        return operand in value
    return _within(operand, cast("list[Any]", value)) if isinstance(value, list) else None


def _within(value: Any, several: Iterable[Any]) -> bool:
    return any(_same(value, one) for one in several)


#: Each says whether it holds; None: these two cannot be compared.
_OPERATORS: dict[str, Callable[[Any, Any], bool | None]] = {
    "eq": _same,
    "ne": lambda value, operand: not _same(value, operand),
    "lt": _ordered(lambda value, operand: value < operand),
    "lte": _ordered(lambda value, operand: value <= operand),
    "gt": _ordered(lambda value, operand: value > operand),
    "gte": _ordered(lambda value, operand: value >= operand),
    "in": _within,
    "not_in": lambda value, operand: not _within(value, operand),
    "glob": _glob,
    "contains": _contains,
}
