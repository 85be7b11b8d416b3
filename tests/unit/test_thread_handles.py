"""Handles of threads: what needs no store."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from threadmill import Thread

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda thread: pickle.loads(pickle.dumps(thread)),
]


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_a_copy_of_a_handle_is_a_handle_of_the_same_thread(copied: Callable[[Any], Any]) -> None:
    thread = Thread(key="C042", metadata={"team": "support"})
    other = copied(thread)
    assert (other.id, other.key, other.metadata) == (thread.id, "C042", {"team": "support"})
    with thread, other, other:
        pass


def test_a_handle_is_copied_inside_its_block_too() -> None:
    with Thread(key="C042") as thread, copy.deepcopy(thread) as other:
        assert other.id == thread.id
