"""Access control: security lets somebody in for some hours, and out they go again, whatever restarts in between."""

from holdfast import App, Turn

app = App()
INSIDE: set[str] = set()


@app.agent("access")
async def access(turn: Turn) -> str:
    who, system = turn.principal.subject, turn.message.text
    gate = await turn.gate(
        "access",
        {"who": who, "system": system, "for": "8h"},
        approvers="role:security",
        expires="1h",
    )
    if not gate.ok:
        await turn.write(f"No access to {system}: {gate.reason or gate.status}")
        return gate.status
    await turn.step("let in", INSIDE.add, f"{who}@{system}")
    await turn.write(f"You have access to {system} for 8 hours. ")
    await turn.sleep("8h")
    await turn.step("let out", INSIDE.discard, f"{who}@{system}")
    await turn.write("It has ended.")
    return "ended"
