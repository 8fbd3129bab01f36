"""A form is filled in and checked by the server; declining it is an answer too."""

from holdfast import App, Turn

app = App()
SCHEMA = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "format": "email"},
        "size": {"type": "string", "enum": ["s", "m"], "default": "m"},
    },
    "required": ["email"],
}


@app.agent("orders")
async def orders(turn: Turn) -> str:
    filled = await turn.form("Where to?", SCHEMA)
    return f"a parcel to {filled.value['email']}" if filled.ok else filled.status
