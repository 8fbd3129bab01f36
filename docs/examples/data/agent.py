"""Data operations: count first, ask with the number on the card, delete in steps that no crash repeats."""

from typing import Any

from holdfast import App, Call, Turn, tool

app = App()
ROWS = [{"id": n, "age": n * 10} for n in range(1, 11)]


def older(age: int) -> list[int]:
    return [row["id"] for row in ROWS if row["age"] > age]


def erase(ids: list[int]) -> int:
    ROWS[:] = [row for row in ROWS if row["id"] not in ids]
    return len(ids)


@tool(approval=lambda call: len(call.input["ids"]) > 3, risk="high", expires="1h")
async def delete(call: Call[Any], ids: list[int], why: str) -> int:
    """Delete these rows. It cannot be undone."""
    deleted = 0
    for start in range(0, len(ids), 2):
        deleted += await call.step("erase", erase, ids[start : start + 2])
    return deleted


@app.agent("cleaner", tools=[delete])
async def cleaner(turn: Turn) -> int:
    ids = await turn.step("find", older, turn.input["older_than"])
    result = await turn.call(delete, ids=ids, why=f"{len(ids)} rows are older than {turn.input['older_than']}")
    await turn.write(f"{result.value} rows deleted." if result.ok else f"Nothing deleted: {result.reason}")
    return result.value if result.ok else 0
