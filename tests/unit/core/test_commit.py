"""The commit: what one holds when nothing was said, and how its parts are named."""

from __future__ import annotations

import msgspec

from holdfast.core.commit import Commit, Fence, Notice, Writer


def test_a_commit_begins_empty_and_shares_nothing() -> None:
    one, other = Commit("s", "x"), Commit("s", "x")
    lists = [field for field in Commit.__struct_fields__ if isinstance(getattr(one, field), list | dict)]
    assert len(lists) >= 15
    for field in lists:
        assert not getattr(one, field)
        assert getattr(one, field) is not getattr(other, field)
    assert (one.by, one.creates, one.buries, one.reply) == (None, False, False, None)


def test_a_fence_is_of_an_epoch() -> None:
    assert str(Fence("2-abc", 7)) == "2-abc:7"
    assert Fence("1-abc", 7) != Fence("2-abc", 7)


def test_a_writer_numbers_its_commits() -> None:
    fence = Fence("1-a", 1)
    assert Writer("t_1.s", fence, 1) != Writer("t_1.s", fence, 2)


def test_a_notice_comes_back_as_it_went() -> None:
    notice = Notice("interrupt.opened", "s", "i_1.s", 1)
    assert msgspec.json.decode(msgspec.json.encode(notice), type=Notice) == notice
