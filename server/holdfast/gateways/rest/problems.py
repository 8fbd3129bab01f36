"""Problems: every refusal as RFC 9457 says it, with the same codes as everywhere."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from holdfast.core.errors import HoldfastError

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong. `code` is stable; `retry` says whether the same request may succeed later."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retry: bool = msgspec.field(default=False)
    #: Facts for programs: the field, the limit, the current value.
    details: dict[str, Any] | None = None


def problem_of(error: HoldfastError) -> Problem:
    title = (type(error).__doc__ or "").strip().splitlines()[0]
    return Problem(
        f"urn:holdfast:error:{error.code}",
        title,
        error.status,
        error.message,
        error.code,
        error.retry,
        error.details or None,
    )


def refusal(error: HoldfastError) -> Response:
    """The response that says it."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry or error.status == 429:
        headers["Retry-After"] = "1"
    return problem_response(problem_of(error), headers)


def other(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A problem that is only HTTP's: no such path, no such method, a fault of ours."""
    code = {404: "not_found", 405: "bad_request", 500: "error"}.get(status, "refused")
    problem = Problem(f"urn:holdfast:error:{code}", detail, status, detail, code, status >= 500)
    return problem_response(problem, headers or {})


def problem_response(problem: Problem, headers: dict[str, str]) -> Response:
    body = msgspec.to_builtins(problem) | {"retry": problem.retry}
    return Response(msgspec.json.encode(body), problem.status, headers, MEDIA_TYPE)
