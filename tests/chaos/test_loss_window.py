"""What a power cut takes stays within what docs/design/durability.md says."""

from __future__ import annotations

import shutil

import pytest
from tests.chaos.loss_window import measure

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows what is fsynced"),
]


async def test_everysec_loses_at_most_two_seconds() -> None:
    found = await measure("everysec", 5)
    assert max(each.lost for each in found) > 0, "the measurement sees losses"
    assert max(each.window_ms for each in found) < 2_000


async def test_always_loses_nothing() -> None:
    assert [each.lost for each in await measure("always", 5)] == [0] * 5


async def test_nothing_that_was_waited_for_is_lost() -> None:
    assert [each.lost for each in await measure("everysec", 5, wait=1)] == [0] * 5
