"""What was made of texts is kept for as many as there is room for."""

from __future__ import annotations

from typing import Any

import pytest

from engine.sql.text_memory import Memory
from engine.sql.views import Names
from engine.storage import InMemoryStorage

NAMES = Names()


@pytest.mark.parametrize("key", [lambda text: text, lambda text: (text, "more")])
def test_long_texts_take_the_room_of_others(key: Any) -> None:
    memory: Memory[Any, int] = Memory(100)
    texts = [str(i) * 1_500_000 for i in range(5)]

    def kept() -> list[int | None]:
        return [memory.get(key(text), NAMES, InMemoryStorage().snapshot()) for text in texts]

    for i, text in enumerate(texts):
        memory.put(key(text), NAMES, (), {}, i)
    assert kept() == [None, None, None, 3, 4]
    for i in range(100):
        memory.put(key(f"SELECT {i}"), NAMES, (), {}, i)
    assert kept() == [None] * 5
    memory.put(key("x" * 16_000_000), NAMES, (), {}, 7)
    assert memory.has(key("x" * 16_000_000), NAMES)
    assert not memory.has(key("SELECT 99"), NAMES)
