"""What a person says, as AG-UI has it: a text, or parts with images and files; to ours, and back."""

from __future__ import annotations

from typing import Any, cast

from holdfast.core.errors import BadInput
from holdfast.core.messages import Part

MEDIA = ("image", "audio", "video", "document")
ANY_BYTES = "application/octet-stream"


def said(content: Any) -> list[Part]:
    """AG-UI's content as our parts. Raises BadInput."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise BadInput("messages.content: must be a text, or a list of parts.", path="messages")
    return [_part(part) for part in cast("list[Any]", content)]


def content(parts: list[Part]) -> str | list[dict[str, Any]]:
    """Our parts as AG-UI's content: a text, if there is nothing else."""
    kept = [part for part in parts if part["type"] in ("text", "file")]
    if all(part["type"] == "text" for part in kept):
        return "".join(part["text"] for part in kept)
    return [{"type": "text", "text": part["text"]} if part["type"] == "text" else _shown(part) for part in kept]


def _part(given: Any) -> Part:
    part: dict[str, Any] = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    match part.get("type"):
        case "text":
            return {"type": "text", "text": part.get("text")}
        case "binary":  # as it was before 1.0
            return _file(part.get("mimeType"), part.get("url"), part.get("data"), part.get("filename"))
        case kind if kind in MEDIA:
            source: object = part.get("source")
            taken = cast("dict[str, Any]", source) if isinstance(source, dict) else {}
            is_data = taken.get("type") == "data"
            named = f"{kind}/*" if kind != "document" else ANY_BYTES
            value = taken.get("value") if taken.get("type") in ("data", "url") else None
            return _file(taken.get("mimeType") or named, None if is_data else value, value if is_data else None)
        case _:
            raise BadInput(f"messages.content: a part is a text, or one of {', '.join(MEDIA)}.", path="messages")


def _file(media_type: Any, url: Any, data: Any, name: Any = None) -> Part:
    address = f"data:{media_type};base64,{data}" if isinstance(data, str) else url
    if not isinstance(address, str):
        raise BadInput("messages.content: a file comes with its data, or with its url.", path="messages")
    named = {"filename": name} if isinstance(name, str) else {}
    return {"type": "file", "mediaType": media_type, "url": address, **named}


def _shown(part: Part) -> dict[str, Any]:
    kind = str(part["mediaType"]).partition("/")[0]
    return {"type": kind if kind in MEDIA else "document", "source": _source(part)}


def _source(part: Part) -> dict[str, Any]:
    head, _, data = str(part["url"]).partition(";base64,")
    if head.startswith("data:") and data:
        return {"type": "data", "value": data, "mimeType": head.removeprefix("data:")}
    return {"type": "url", "value": part["url"], "mimeType": part["mediaType"]}
