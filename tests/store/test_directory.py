"""The directory of people: who was seen lately, who is away; bounded, and never older than it says."""

from __future__ import annotations

import pytest

from holdfast.core.errors import LimitReached
from holdfast.core.identity import Principal
from holdfast.core.people import DAY_MS, LEARNING_MS, SEEN_MS, Away
from holdfast.store import directory as module
from holdfast.store.connection import Connection
from holdfast.store.directory import ROLES_MAX, Directory
from holdfast.store.keys import Keys


@pytest.fixture
def directory(connection: Connection) -> Directory:
    return Directory(connection, Keys())


async def test_who_was_seen_is_known_for_a_while(directory: Directory) -> None:
    await directory.note(Principal("fay", ("finance", "manager")))
    await directory.note(Principal("finn", ("finance",)))
    now_ms = await directory.now_ms()
    people = await directory.people({"finance", "manager", "nobody"}, (), now_ms)
    assert {role: set(known) for role, known in people.known.items()} == {
        "finance": {"fay", "finn"}, "manager": {"fay"}, "nobody": set(),
    }  # fmt: skip
    later = await directory.people({"finance"}, (), now_ms + SEEN_MS + 1)
    assert list(later.known["finance"]) == []


async def test_a_young_directory_says_that_it_is_young(directory: Directory) -> None:
    now_ms = await directory.now_ms()
    assert (await directory.people({"finance"}, (), now_ms)).learning  # nobody has come in yet
    await directory.note(Principal("alice"))
    assert (await directory.people({"finance"}, (), now_ms)).learning
    assert not (await directory.people({"finance"}, (), now_ms + LEARNING_MS + 1_000)).learning


async def test_absences_are_found_by_role_and_by_name_and_by_deputy(directory: Directory) -> None:
    now_ms = await directory.now_ms()
    await directory.note(Principal("fay", ("finance",)))
    fay, dora = Away("fay", now_ms + DAY_MS, "dan", ("finance",)), Away("dora", now_ms + DAY_MS)
    await directory.set_away(fay, now_ms)
    await directory.set_away(dora, now_ms)
    people = await directory.people({"finance"}, {"dora", "alice"}, now_ms)
    assert people.away == {"fay": fay, "dora": dora}
    assert await directory.absent_for("dan") == [fay]
    assert await directory.away("alice") is None


async def test_another_deputy_takes_the_place_of_the_first(directory: Directory) -> None:
    now_ms = await directory.now_ms()
    await directory.set_away(Away("fay", now_ms + DAY_MS, "dan"), now_ms)
    await directory.set_away(Away("fay", now_ms + DAY_MS, "eve"), now_ms)
    assert await directory.absent_for("dan") == []
    assert [absence.subject for absence in await directory.absent_for("eve")] == ["fay"]
    await directory.back("fay")
    assert (await directory.away("fay"), await directory.absent_for("eve")) == (None, [])


async def test_it_is_bounded(directory: Directory, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEPUTY_OF_MAX", 2)
    monkeypatch.setattr(module, "PEOPLE_OF_ROLE_MAX", 2)
    now_ms = await directory.now_ms()
    await directory.set_away(Away("over", now_ms - 1, "dan"), now_ms)
    await directory.set_away(Away("a", now_ms + 1, "dan"), now_ms)
    await directory.set_away(Away("b", now_ms + 1, "dan"), now_ms)  # in the place of the one that is over
    with pytest.raises(LimitReached):
        await directory.set_away(Away("c", now_ms + 1, "dan"), now_ms)
    assert await directory.away("c") is None
    for who in ("a", "b", "c"):
        await directory.note(Principal(who, ("finance",)))
    assert await connection.execute("ZCARD", Keys().people_of("finance")) == 2
    await directory.note(Principal("many", tuple(f"r{n}" for n in range(ROLES_MAX + 5))))
    assert len(await connection.execute("KEYS", Keys().people_of("r*"))) == ROLES_MAX
