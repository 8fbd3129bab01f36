"""The routes of workers in other languages (docs/design/remote-workers.md)."""

from __future__ import annotations

from typing import Any

from holdfast.gateways.rest import work
from holdfast.gateways.rest.route import Route
from holdfast.protocol import work as said


def _write(verb: str, method: str, summary: str, body: type[Any], reply: type[Any]) -> Route:
    path = f"/v1/work/turns/{{tid}}/{verb}"
    return Route(method="POST", path=path, handler=work.write(method), summary=summary, body=body, replies={200: reply})


WORK_ROUTES: tuple[Route, ...] = (
    Route(
        method="PUT",
        path="/v1/work/agents/{agent}",
        handler=work.register,
        summary="Say what an agent is, in one version: its tools, and the rules under which they run.",
        body=said.NewManifest,
        replies={200: said.Served},
    ),
    Route(
        method="POST",
        path="/v1/work/leases",
        handler=work.lease,
        summary="Lease a turn of these agents, once there is one; 204 if there was none in the time that was given.",
        body=said.LeaseWanted,
        replies={200: said.Lease},
    ),
    Route(
        method="GET",
        path="/v1/work/turns/{tid}/operations",
        handler=work.operations,
        summary="All that a turn has recorded, with the decisions of those who were asked.",
        replies={200: said.Recorded},
    ),
    _write("append", "append", "Stream chunks and progress; with none, keep the lease.", said.Append, said.Held),
    _write("call", "call", "Have a tool judged, asked about and begun.", said.NewCall, said.Performed),
    _write("result", "result", "How a call has ended that was to be run.", said.NewResult, said.Performed),
    _write("ask", "ask", "Ask people: a question, a form, a gate.", said.NewQuestion, said.Performed),
    _write("record", "record", "Keep what was done, so that it is not done again.", said.NewRecord, said.Performed),
    _write("sleep", "sleep", "Wait for a time.", said.NewSleep, said.Performed),
    _write("steering", "look", "Take in what was said to the turn while it ran.", said.NewLook, said.Steered),
    _write("wait", "wait", "Let go of the turn until people have answered.", said.LetGo, said.Held),
    _write("finish", "finish", "End the turn.", said.NewEnd, said.Held),
    _write("release", "release", "Let go of the turn: the next worker goes on with it.", said.Write, said.Held),
)
