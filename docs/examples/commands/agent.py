"""Tool execution: rules know the harmless and the forbidden commands, and a person decides on all others."""

import asyncio
import shlex

from holdfast import App, Call, Match, Policy, Rule, Turn, tool


def speaks_of(*globs: str) -> list[Match]:
    return [Match(tool="run", input={"command": {"glob": glob}}) for glob in globs]


HARMLESS = [Rule(action="auto_approve", match=match) for match in speaks_of("echo *", "ls", "git status")]
FORBIDDEN = [
    Rule(action="auto_deny", reason="Nobody runs this here.", match=match) for match in speaks_of("*rm -rf*", "sudo *")
]
app = App(policy=Policy(rules=[*HARMLESS, *FORBIDDEN], default="require_approval"))


@tool(timeout="30s", expires="15 minutes")
async def run(call: Call[None], command: str) -> str:
    """Run a command, without a shell."""
    process = await asyncio.create_subprocess_exec(*shlex.split(command), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


@app.agent("operator", tools=[run])
async def operator(turn: Turn) -> None:
    result = await turn.call(run, command=turn.message.text)
    await turn.write(result.value if result.ok else f"{result.status}: {result.reason}")
