"""Whoever is first counts: an answer, or three days of silence; the card of the other closes by itself."""

from holdfast import App, Turn

app = App()


@app.agent("survey")
async def survey(turn: Turn) -> str:
    nth, answer = await turn.first(turn.ask("All well so far?"), turn.sleep("3 days"))
    return answer.value.text or "" if nth == 0 and answer else "silent"
