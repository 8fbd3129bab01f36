"""Text as it is: what has no shape of its own, or moves other characters about, is shown by its number."""

from __future__ import annotations

import re
import unicodedata

#: What has no shape of its own though its category does not say so: fillers, selectors, spaces too thin to see.
_SHAPELESS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200a\u2028\u2029\u205f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
#: A symbol's emoji style, and what joins two symbols to one.
_EMOJI = re.compile("[\ufe0f\u200d]")


def visible(text: str) -> str:
    """Text as it is: a character that steers a terminal, moves others about or is not seen is shown by its number."""
    return "".join(
        f"‹U+{ord(one):04X}›" if is_unseen(one) and not _is_in_emoji(text, at) else one for at, one in enumerate(text)
    )


def is_unseen(one: str) -> bool:
    """Whether this character steers a screen, moves others about, or is not seen."""
    return one not in "\n\t" and (unicodedata.category(one)[0] == "C" or _SHAPELESS.match(one) is not None)


def _is_in_emoji(text: str, at: int) -> bool:
    if not _EMOJI.match(text[at]) or at == 0:
        return False
    before, after = text[at - 1], text[at + 1 : at + 2]
    if text[at] == "\ufe0f":
        return _is_symbol(before)
    return _is_symbol(after) and (_is_symbol(before) or before == "\ufe0f" or "\U0001f3fb" <= before <= "\U0001f3ff")


def _is_symbol(one: str) -> bool:
    return one != "" and unicodedata.category(one) == "So"
