"""What a turn may spend: responses, tokens and money. Counted from what is recorded, so that a replay counts alike."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.runtime.limits import Limit
from holdfast.runtime.turn import Turn

MILLION = 1_000_000


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tokens of one response, or of several. What was read from a cache is part of the input."""

    input: int = 0
    output: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input + other.input, self.output + other.output, self.cached + other.cached)

    def shown(self) -> dict[str, int]:
        """Under the names of the AI SDK."""
        names = {"inputTokens": self.input, "outputTokens": self.output, "totalTokens": self.total}
        return names | ({"cachedInputTokens": self.cached} if self.cached else {})


class Prices(msgspec.Struct, frozen=True):
    """What a million tokens cost, in any one currency. Cached input costs as much as other input unless said."""

    input: float
    output: float
    cached: float | None = None

    def of(self, usage: Usage) -> float:
        cached = self.input if self.cached is None else self.cached
        fresh = max(usage.input - usage.cached, 0)
        return (fresh * self.input + usage.cached * cached + usage.output * self.output) / MILLION


class Limits(msgspec.Struct, frozen=True):
    """The limits of each turn. Money is counted in millionths, for a limit is a whole number."""

    turns: int
    tokens: int | None = None
    budget: float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        for name, value in (("max_turns", self.turns), ("max_tokens", self.tokens), ("budget", self.budget)):
            if value is not None and value <= 0:
                raise ValueError(f"{name}={value}: a limit is more than nothing")
        if self.budget is not None and self.prices is None:
            raise ValueError("budget= needs prices=: what a million tokens cost")


class Spending:
    """What one turn has spent. Before each request it is compared with the limits, and `on_limit` may grant more."""

    def __init__(self, turn: Turn, limits: Limits) -> None:
        self._turn = turn
        self._prices = limits.prices
        self._responses = turn.limit("model responses", max=limits.turns)
        self._tokens_max = limits.tokens
        self._money_max = None if limits.budget is None else round(limits.budget * MILLION)
        self.usage = Usage()

    @property
    def cost(self) -> float | None:
        return None if self._prices is None else self._prices.of(self.usage)

    def add(self, usage: Usage) -> None:
        self.usage += usage

    async def before_request(self) -> None:
        """Count one more response. What is over a limit ends the turn, unless the agent's hook grants more."""
        while self._tokens_max is not None and self.usage.total >= self._tokens_max:
            reached = Limit("tokens", self._tokens_max, self.usage.total)
            self._tokens_max += await self._turn.over_limit(reached)
        spent = round((self.cost or 0.0) * MILLION)
        while self._money_max is not None and spent >= self._money_max:
            self._money_max += await self._turn.over_limit(Limit("millionths of the budget", self._money_max, spent))
        await self._responses.use()

    def shown(self, usage: Usage, model: str) -> dict[str, Any]:
        """The message's metadata once a response with this usage is added."""
        total = self.usage + usage
        cost = {} if self._prices is None else {"cost": round(self._prices.of(total), 6)}
        return {"model": model, "usage": total.shown() | cost}
