"""What a message wants, by its words, and the postal address that it may hold. Pure."""

from __future__ import annotations

import re
from typing import Literal

Intent = Literal["refund", "cancel", "address", "list", "status", "help", "greet", "thanks", "yes", "no"]


def _any(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


#: The first that fits counts: "where can I get a refund for it" wants a refund.
_INTENTS: dict[Intent, re.Pattern[str]] = {
    "refund": _any(
        r"\b(?:re-?fund\w*|reimburs\w+|compensat\w+|money[- ]back|return(?:ing)?|charge-?backs?)\b",
        r"\bcredit(?:ed)?\b.{0,20}\b(?:me|account)\b",
        r"\b(?:money|cash|payment)\b.{0,20}\bback\b",
        r"\b(?:pay|give|get|have|want|need|claim|transfer|send|take)\b.{0,40}\bback\b",
        r"\b(?:give|pay|send|transfer|credit|grant)\b.{0,30}(?:\d\s?(?:€|eur)|(?:€|\beur)\s?\d)",
    ),
    "cancel": _any(
        r"\b(?:cancel\w*|call(?:ing)? off|abort|annul|withdraw|scrap|delete)\b",
        r"\bstop\b(?=.{0,30}\b(?:order|shipment|delivery|[a-z]{1,4}[ -]?\d))",
        r"\b(?:don'?t|do not|no longer|not) (?:want|need)\b",
    ),
    "address": _any(
        r"\baddress(?:es)?\b",
        r"\b(?:re-?direct|re-?route|deliver|ship|send)\b(?!.{0,30}\bback\b)"
        r".{0,40}?\bto\b(?!\s+(?:me|us|arrive|be|come)\b)",
    ),
    "list": _any(
        r"\b(?:list|all|recent|latest|every|which|what|open|past|previous|my|our|his|her|their|see|show|view)\b"
        r"[^.?!]{0,30}\borders\b",
        r"\border history\b",
        r"\borders\s+(?:of|by|from|for)\s+[a-z]{3}",
        r"\bwhat (?:did|have) (?:i|we) (?:order|bought|buy)",
        r"\bmy purchases\b",
        r"^\s*orders\s*$",
    ),
    "help": _any(
        r"\bhelp\b",
        r"\bwhat can (?:you|i)\b",
        r"\bhow does this\b",
        r"\bwho are you\b",
        r"\boptions\b",
        r"\bwhat do you do\b",
        r"^\s*\?+\s*$",
    ),
    "status": _any(
        r"\b(?:where|status|track\w*|when|arriv\w+|deliver(?:y|ed|ies)|shipp(?:ed|ing)|on its way)\b",
        r"\bwaiting\b",
        r"\bhow(?:'s| is| far| long)\b",
        r"\bwhat(?:'s| is| was|s| did)\b",
        r"\b(?:what|how) about\b",
        r"\b(?:check\w*|look(?:ing)? (?:up|at|into)|details?|info\w*|show|tell me|update|news|state)\b",
        r"\b(?:progress|find|received?|see)\b",
    ),
    "thanks": _any(r"\b(?:thank\w*|thx|ty|cheers|much appreciated|great job|perfect|awesome|bye|goodbye|see you)\b"),
    "greet": _any(r"^\W*(?:hi|hey|hello|hiya|howdy|greetings|good (?:morning|afternoon|evening|day)|moin|servus)\b"),
    "yes": _any(
        r"^\W*(?:yes|yep|yeah|yup|sure|ok(?:ay)?|correct|right|exactly|indeed|of course)\b",
        r"^\W*(?:absolutely|definitely)\b",
        r"^\W*(?:please do|do it|do that|go ahead|that one|this one|that'?s (?:it|right|the one))\b",
        r"^\W*y\W*$",
    ),
    "no": _any(
        r"^\W*(?:no|nope|nah|never ?mind|forget (?:it|that)|not that(?: one)?|leave it)\b",
        r"^\W*(?:n|stop)\W*$",
    ),
}

#: "Has A-17 been refunded?" asks; "can you refund A-17?" wants.
_ASKS_ABOUT = re.compile(
    r"^\W*(?:and\s+)?(?:has|have|had|did|was|were|when|where|why|what happened|how long"
    r"|is (?:my|the|it|[a-z]{1,4}[\s-]?\d+)\b(?!.*\bpossible))\b",
    re.IGNORECASE,
)
_WHAT_WAS_DONE = _any(r"\b(?:refund(?:ed)?|reimburse(?:d|ment)|cancel\w*|return(?:ed)?|back)\b")
_WANTS_NOT = re.compile(
    r"\b(?:don'?t|do not|dont|never|please not|no need to|rather not|without)\s+(?:\w+\s+){0,2}?"
    r"(?:refund|cancel|return|reimburse|change|pay|give|send|ship|deliver)\w*",
    re.IGNORECASE,
)


def intent_of(text: str) -> Intent | None:
    """What is wanted, or None: nothing here says it."""
    if _WANTS_NOT.search(text):
        return "no"
    if _ASKS_ABOUT.search(text) and _WHAT_WAS_DONE.search(text):
        return "status"
    return next((intent for intent, pattern in _INTENTS.items() if pattern.search(text)), None)


_BEFORE_ADDRESS = re.compile(r"\bto\b|\baddress is\b|:", re.IGNORECASE)
_POLITE_END = re.compile(r"\s*\b(?:please|instead|thanks|thank you)\b\W*$", re.IGNORECASE)
_STREET = re.compile(r"^(?=.*\d)(?=(?:.*[^\W\d_]){5})", re.DOTALL)
_ADDRESS_MIN = 8  # characters; "Ilica 77" is one


def address_in(text: str) -> str | None:
    """The postal address that a wish to deliver elsewhere ends with: "… to Lindengasse 4, 1070 Wien"."""
    endings = (text[match.end() :].split("\n", maxsplit=1)[0] for match in _BEFORE_ADDRESS.finditer(text))
    return next(filter(None, map(as_address, endings)), None)


def as_address(text: str) -> str | None:
    """The text, if it looks like a postal address."""
    cleaned = _POLITE_END.sub("", text.strip()).strip(" .!?\"':")
    return cleaned if _STREET.search(cleaned) and len(cleaned) >= _ADDRESS_MIN else None
