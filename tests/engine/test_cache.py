"""The cache of the newest entries."""

from __future__ import annotations

import pytest

from engine.cache import BatchCache, LruCache


def test_what_was_not_asked_for_the_longest_goes_first() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    assert len(cache) == 2


def test_a_new_value_takes_the_place_of_the_old() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    cache.put("c", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (3, None, 4)


def test_a_cache_of_no_size_keeps_nothing() -> None:
    cache: LruCache[str, int] = LruCache(0)
    cache.put("a", 1)
    assert (cache.get("a"), len(cache)) == (None, 0)


def test_what_is_large_makes_room_and_the_newest_stays() -> None:
    cache: LruCache[str, int] = LruCache(3, lambda _, weight: weight, 10)
    for key, weight, kept in (
        ("a", 4, "a"),
        ("b", 3, "ab"),
        ("c", 2, "abc"),
        ("b", 7, "bc"),
        ("d", 1, "bcd"),
        ("e", 20, "e"),
        ("f", 2, "f"),
        ("g", 8, "fg"),
    ):
        cache.put(key, weight)
        assert [each for each in "abcdefg" if cache.get(each) is not None] == list(kept)


def test_what_is_not_known_is_asked_for_once_and_together() -> None:
    asked: list[list[str]] = []

    def lengths(items: list[str]) -> list[int]:
        asked.append(items)
        return [len(item) for item in items]

    cache = BatchCache(100, lengths, lambda item: item.lower() if len(item) < 5 else None)
    assert cache.get(["a", "bb", "A", "ccccc", "ccccc"]) == [1, 2, 1, 5, 5]
    assert cache.get(["bb", "a", "B", "BB"]) == [2, 1, 1, 2]
    assert cache.get(["ccccc", "bb"]) == [5, 2]
    assert cache.get(["bb"]) == [2]
    assert cache.get([]) == []
    assert asked == [["a", "bb", "ccccc", "ccccc"], ["B"], ["ccccc"]]


def test_an_answer_that_fails_is_not_kept() -> None:
    answers: list[list[int]] = [[7]]
    cache: BatchCache[str, int] = BatchCache(100, lambda items: answers.pop(), lambda item: item)
    assert cache.get(["a"]) == [7]
    with pytest.raises(IndexError):
        cache.get(["a", "b"])
    answers.append([8])
    assert cache.get(["a", "b"]) == [7, 8]
