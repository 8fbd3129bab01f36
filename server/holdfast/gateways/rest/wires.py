"""The routes of wires that others have made: their clients come as they are."""

from __future__ import annotations

from holdfast.gateways.ag_ui import copilotkit
from holdfast.gateways.ag_ui import over_http as ag_ui
from holdfast.gateways.ag_ui.inputs import RunInput
from holdfast.gateways.ai_sdk import over_http as ai_sdk
from holdfast.gateways.ai_sdk.posted import Chat
from holdfast.gateways.rest.route import REF, Route

WIRES: tuple[Route, ...] = (
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
    Route(
        method="POST",
        path="/agui/{agent}",
        handler=ag_ui.run,
        summary="What AG-UI's HttpAgent posts; the events of the run as server-sent events.",
        body=RunInput,
        body_max=ag_ui.BODY_MAX_BYTES,
    ),
    Route(
        method="GET",
        path="/copilotkit/info",
        handler=copilotkit.info,
        summary="CopilotKit's runtime: which agents there are.",
        replies={200: copilotkit.RuntimeInfo},
    ),
    Route(
        method="POST",
        path="/copilotkit/agent/{agent}/run",
        handler=copilotkit.run,
        summary="CopilotKit's runtime: a run, as at /agui/{agent}.",
        body=RunInput,
        body_max=ag_ui.BODY_MAX_BYTES,
    ),
    Route(
        method="POST",
        path="/copilotkit/agent/{agent}/connect",
        handler=copilotkit.connect,
        summary="CopilotKit's runtime: the thread as it is, and the run that goes on.",
        body=RunInput,
        body_max=ag_ui.BODY_MAX_BYTES,
    ),
    Route(
        method="POST",
        path="/copilotkit/agent/{agent}/stop/{thread}",
        handler=copilotkit.stop,
        summary="CopilotKit's runtime: cancel what runs or waits.",
        body=copilotkit.Stop,
        replies={200: copilotkit.Stopped},
        query=REF,
    ),
)
