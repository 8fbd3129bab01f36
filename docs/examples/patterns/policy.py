"""Rules decide what they can, deny before ask before allow, and a person decides the rest."""

from holdfast import App, Match, Policy, Rule, Turn, tool

RULES = [
    Rule(name="reads", action="auto_approve", match=Match(tool="read_*")),
    Rule(name="not the root", action="auto_deny", reason="Not the root.", match=Match(input={"path": "/"})),
]
app = App(policy=Policy(rules=RULES))


@tool
async def read_file(path: str) -> str:
    return f"read {path}"


@tool
async def delete_file(path: str) -> str:
    return f"deleted {path}"


@app.agent("files", tools=[read_file, delete_file])
async def files(turn: Turn) -> str:
    result = await turn.call({"read": read_file, "delete": delete_file}[turn.input["do"]], turn.input["path"])
    return result.value if result.ok else f"{result.status}: {result.reason}"
