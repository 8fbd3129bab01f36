"""What the words of a message name: which orders, how much, which of those that were shown. Pure.

Every recogniser works on text; none knows a conversation. `planner.py` puts their findings together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

# ---------------------------------------------------------------- numbers in words

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_UNITS = {word: number for number, word in enumerate(_SMALL.split())}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_WORD = "|".join([*_TENS, *_UNITS, "hundred"])
_SPELLED = re.compile(rf"\b(?:a (?=hundred))?(?:{_WORD})(?:(?:[ -]|\s+and\s+)(?:{_WORD}))*\b", re.IGNORECASE)
#: Smaller numbers are mostly no numbers: "that one", "both two".
_SURELY_MEANT = 13
_UNIT_FOLLOWS = re.compile(r"\s*(?:€|eur|euros?|percent|per cent|%)", re.IGNORECASE)
_LETTER_BEFORE = re.compile(r"\b[a-z](?:[ -]| dash )$", re.IGNORECASE)


def with_digits(text: str) -> str:
    """The text with its spelled numbers as digits: "fifty euros" is "50 euros"."""

    def digits(match: re.Match[str]) -> str:
        words = [word for word in re.split(r"[\s-]+", match[0].lower()) if word not in ("a", "and")]
        number = _spelled(words)
        follows = _UNIT_FOLLOWS.match(text, match.end())
        named = _LETTER_BEFORE.search(text, 0, match.start())
        is_pronoun = words == ["one"] and not follows
        meant = number >= _SURELY_MEANT or follows or (named and not is_pronoun)
        return str(number) if meant else match[0]

    return _SPELLED.sub(digits, text)


def _spelled(words: list[str]) -> int:
    total = 0
    for word in words:
        if word == "hundred":
            total = max(total, 1) * 100
        else:
            total += _UNITS.get(word, _TENS.get(word, 0))
    return total


# ---------------------------------------------------------------- orders


@dataclass(frozen=True)
class Mention:
    """Some words that name an order, and which ones they may mean."""

    start: int
    end: int
    #: What was named, written the usual way: "A-17"; or "17", where the letter is missing.
    name: str
    #: Known orders that it may be; none, one or several.
    orders: tuple[str, ...]


_CALLED = r"(?:\b(?:orders?|ordered|number|numbers|no|nr|num|id|reference|ref)\b\.?[\s:]*|#\s?)"
_NO_ORDER_AFTER = r"(?!\d)(?!\s*(?:€|eur\b|euros?\b|%|percent|per cent|cents?\b))(?![.,]\d)"
_LETTERED = re.compile(
    rf"(?P<called>{_CALLED})*(?<![\w€-])(?P<letters>[a-z]{{1,4}})(?P<join>\s?(?:[-–—_/.]|dash|hyphen|minus)\s?|\s+|)"
    rf"(?P<digits>\d{{1,6}})\b{_NO_ORDER_AFTER}",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    rf"{_CALLED}+(?:is\s+)?(?P<first>\d{{1,6}})\b{_NO_ORDER_AFTER}"
    rf"(?P<more>(?:\s*(?:,|&|and|or)\s*#?\d{{1,6}}\b{_NO_ORDER_AFTER})*)",
    re.IGNORECASE,
)
_CURRENCIES = {"eur", "usd", "gbp", "chf"}
_CALLING = {"no", "nr", "num", "ref", "id"}


def order_mentions(text: str, known: Iterable[str]) -> list[Mention]:
    """The orders that are named in the text, in its order."""
    book = {_key(order): order for order in known}
    found = list(_lettered(text, book))
    rest = blank(text, found)
    found += _numbered(rest, list(book.values()))
    return sorted(found, key=lambda mention: mention.start)


def blank(text: str, mentions: Iterable[Mention]) -> str:
    """The text without the mentions, every other character in its place."""
    for mention in mentions:
        text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
    return text


def _lettered(text: str, book: dict[tuple[str, str], str]) -> Iterator[Mention]:
    for match in _LETTERED.finditer(text):
        letters, digits = match["letters"].upper(), match["digits"].lstrip("0") or "0"
        order = book.get((letters, digits))
        if letters.lower() in _CURRENCIES | _CALLING or not (order or _looks_like_order(match)):
            continue
        yield Mention(match.start(), match.end(), f"{letters}-{digits}", (order,) if order else ())


def _looks_like_order(match: re.Match[str]) -> bool:
    """Whether words that name no known order are meant as one: "Z-99" is, "in 20" and "a 20" are not."""
    if match["called"] or match["join"].strip():
        return True
    if match["join"]:
        return len(match["letters"]) == 1 and match["letters"].lower() not in "aix"
    return match["letters"].lower() not in ("x", "v", "k")


def _numbered(text: str, known: list[str]) -> Iterator[Mention]:
    for match in _NUMBERED.finditer(text):
        for number in re.finditer(r"\d+", match[0]):
            digits = number[0].lstrip("0") or "0"
            start = match.start() + number.start()
            orders = tuple(order for order in known if _key(order)[1] == digits)
            yield Mention(start, start + len(number[0]), orders[0] if len(orders) == 1 else digits, orders)


def numbered_anyhow(text: str, known: Iterable[str]) -> list[Mention]:
    """Bare numbers that are the number of a known order: only for who knows that no amount is meant."""
    orders = list(known)
    found: list[Mention] = []
    for match in re.finditer(rf"(?<![\w€.,])\d{{1,6}}\b{_NO_ORDER_AFTER}", text):
        fits = tuple(order for order in orders if _key(order)[1] == (match[0].lstrip("0") or "0"))
        if fits:
            name = fits[0] if len(fits) == 1 else match[0]
            found.append(Mention(match.start(), match.end(), name, fits))
    return found


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one known order that may have been meant: figures swapped, one figure or the letter mistaken."""
    letters, digits = _key(name)
    swapped = [order for order in known if _key(order)[0] == letters and sorted(_key(order)[1]) == sorted(digits)]
    near = [order for order in known if _distance(_key(order), (letters, digits)) == 1]
    for candidates in (swapped, near):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _distance(one: tuple[str, str], other: tuple[str, str]) -> int:
    """How many characters differ, of two that are as long; else many."""
    first, second = "".join(one), "".join(other)
    if len(first) != len(second):
        return 99
    return sum(a != b for a, b in zip(first, second, strict=True))


def _key(order: str) -> tuple[str, str]:
    letters, _, digits = order.rpartition("-")
    return letters.upper(), digits.lstrip("0") or "0"


# ---------------------------------------------------------------- amounts


@dataclass(frozen=True)
class Amount:
    """How much: an exact sum, or a share of what is left. `foreign` is a sum that is not in euros."""

    exact: Decimal | None = None
    share: Fraction | None = None
    foreign: bool = False

    def of(self, total: Decimal) -> Decimal:
        """The sum, of a total, in whole cents."""
        if self.exact is not None:
            return self.exact
        share = self.share or Fraction(0)
        return (total * share.numerator / share.denominator).quantize(Decimal("0.01"), ROUND_HALF_UP)


ALL = Amount(share=Fraction(1))

_NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)"
_EURO = r"(?:€|\beur\b|\beuros?\b)"
_AMOUNTS = re.compile(
    rf"""
    (?P<foreign>[$£]\s?(?:{_NUMBER})|(?:{_NUMBER})\s?(?:[$£]|(?:dollars?|pounds?|usd|gbp|chf|francs?)\b))
    |(?:€|\beur|\beuros?)\s?(?P<after>{_NUMBER})
    |(?P<before>{_NUMBER})\s?{_EURO}(?:\s?(?:and\s)?(?P<cents>\d\d)(?:\s?cents?)?\b(?!\s?{_EURO}))?
    |(?P<percent>\d{{1,3}}(?:[.,]\d+)?)\s?(?:%|percent\b|per\scent\b)
    |(?P<half>\bhalf\b|½|(?<!\d)(?:1/2|50[/:]50)(?!\d))
    |\b(?P<many>one|a|two|three|1|2|3)?[\s/-]?(?P<part>thirds?|quarters?|fourths?)\b
    |\b(?P<all>in\sfull|full(?:y|\samount|\srefund|\sprice)?|everything|whole|entire(?:ly)?|complete(?:ly)?
        |total|remaining|remainder|(?:the|what'?s)\s(?:rest|left)
        |all(?!\s(?:of\s)?(?:my\s|the\s|our\s|open\s|your\s)*orders?\b)(?!\s(?:right|good|ok|fine|set)\b))\b
    |(?<![\w#.,/-])(?P<bare>{_NUMBER})(?![\w%/]|[.,]\d)(?!\s?(?:days?|weeks?|months?|years?|hours?|times|x|pieces?|items?)\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Sum:
    """An amount where it stands in a text. `bare` is a number that nothing says is money."""

    start: int
    amount: Amount
    bare: bool = False


def amounts(text: str) -> list[Sum]:
    """The amounts that are named in a text without order numbers."""
    return [Sum(m.start(), _amount(m), m["bare"] is not None) for m in _AMOUNTS.finditer(text)]


def unread_number(text: str) -> bool:
    """Whether a number is left that may be money, but is no amount that is understood: "-20", "1/3"."""
    return bool(re.search(r"\d", _PERIODS.sub(" ", text)))


_PERIODS = re.compile(r"\b\d+\s?(?:days?|weeks?|months?|years?|hours?|times|x|pieces?|items?)\b", re.IGNORECASE)


def _amount(match: re.Match[str]) -> Amount:
    if match["foreign"]:
        return Amount(foreign=True)
    if number := match["after"] or match["before"] or match["bare"]:
        return Amount(exact=decimal(number) + Decimal(match["cents"] or 0) / 100)
    if match["percent"]:
        return Amount(share=Fraction(decimal(match["percent"])) / 100)
    if match["half"]:
        return Amount(share=Fraction(1, 2))
    if match["part"]:
        count = {"two": 2, "2": 2, "three": 3, "3": 3}.get((match["many"] or "").lower(), 1)
        return Amount(share=Fraction(count, 3 if match["part"].lower().startswith("third") else 4))
    return ALL


def decimal(number: str) -> Decimal:
    """A number as people write it: 1.200,50 and 1,200.50 and 12,5."""
    number = re.sub(r"[' ]", "", number)
    last = max(number.rfind("."), number.rfind(","))
    if last < 0:
        return Decimal(number)
    whole, part = re.sub(r"[.,]", "", number[:last]), number[last + 1 :]
    return Decimal(f"{whole}{part}") if len(part) == 3 else Decimal(f"{whole}.{part}")


# ---------------------------------------------------------------- which of those named before

_ORDINALS = {
    "first": 0, "1st": 0, "former": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3,
    "fifth": 4, "5th": 4, "sixth": 5, "6th": 5, "last": -1, "latter": -1,
}  # fmt: skip
_ORDINAL = re.compile(rf"\b({'|'.join(_ORDINALS)})\b(?!\s+(?:week|month|year|time|night|name))", re.IGNORECASE)
_NEWEST = re.compile(r"\b(?:last|latest|newest|(?:most )?recent)\s+(?:order|purchase|one)\b", re.IGNORECASE)
_PLURAL = re.compile(r"\b(?:both|them|these|those|all (?:of )?(?:them|these|those)|they)\b", re.IGNORECASE)
_MORE = re.compile(r"\b(?:too|also|as well|same|likewise|next|now)\b|^\W*and\b", re.IGNORECASE)
_ALL_ORDERS = re.compile(r"\b(?:all|every|each)\b(?:\s+\w+){0,3}\s+orders?\b", re.IGNORECASE)
_PARTIAL = re.compile(r"\b(?:partial(?:ly)?|part(?! of (?:the )?order)|some|a bit|a little|an amount)\b", re.IGNORECASE)


def ordinals(text: str) -> list[int]:
    """Places in a list that was shown: "the second one" is 1, "the last" is -1."""
    return [_ORDINALS[match[0].lower()] for match in _ORDINAL.finditer(text)]


def letter_alone(text: str) -> str | None:
    """The letter of "the D one": which of the orders that were shown."""
    match = re.match(
        r"^\W*(?:the\s+)?(?:one\s+with\s+(?:the\s+)?)?([a-z]{1,3})(?:\s+(?:one|order))?\W*$",
        text,
        re.IGNORECASE,
    )
    return match[1].upper() if match else None


def means_newest(text: str) -> bool:
    return bool(_NEWEST.search(text))


def means_several(text: str) -> bool:
    return bool(_PLURAL.search(text))


def means_all_orders(text: str) -> bool:
    return bool(_ALL_ORDERS.search(text))


def says_same_again(text: str) -> bool:
    return bool(_MORE.search(text))


def wants_part(text: str) -> bool:
    """A part is wanted, and maybe not how much."""
    return bool(_PARTIAL.search(text))


def item_words(text: str) -> set[str]:
    """Words that may name a thing that was bought."""
    return {word.lower().removesuffix("s") for word in re.findall(r"[^\W\d_]{4,}", text)}
