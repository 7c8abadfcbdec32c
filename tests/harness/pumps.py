"""Texts that are hard for a regular expression, made of the expression itself.

Where an expression backtracks, it does so over a part that it repeats, before something that does not fit. So for each
repetition there is a text that leads there, what is repeated (in every alternative), and an end that fits nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

__all__ = ["hard_texts"]

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_MANY = 20  # repetitions from which on a bound is as good as none
_ENDS = ("", "\0", "\n\0")
_MOST_SAMPLES = 6
_OF_CATEGORY = {codes.CATEGORY_DIGIT: "1", codes.CATEGORY_SPACE: " ", codes.CATEGORY_WORD: "a"}


def hard_texts(expression: re.Pattern[str]) -> Iterator[Callable[[int], str]]:
    """Functions that give a text for the expression of some multiple of n characters."""
    tree = parser.parse(expression.pattern, expression.flags & ~re.DEBUG)
    pumped = dict.fromkeys(_pumps(tree, ""))
    # A search begins anew at each place that looks like the beginning.
    pumped |= dict.fromkeys(("", before + body) for before, body in pumped)
    pumped |= dict.fromkeys(("", sample) for sample in _samples(tree))
    letters = "".join(dict.fromkeys("".join(before + body for before, body in pumped)))[:6]
    pumped |= dict.fromkeys(("", "".join(pair)) for pair in itertools.product(letters, repeat=2))
    for (before, body), end in itertools.product(pumped, _ENDS):
        yield lambda n, before=before, body=body, end=end: before + body * n + end  # type: ignore[misc]


def _pumps(tree: Any, before: str) -> Iterator[tuple[str, str]]:
    """What leads to each repetition, and what is repeated."""
    for code, argument in tree:
        match code:
            case codes.BRANCH:
                for branch in argument[1]:
                    yield from _pumps(branch, before)
            case codes.SUBPATTERN:
                yield from _pumps(argument[3], before)
            case codes.ATOMIC_GROUP:
                yield from _pumps(argument, before)
            case codes.ASSERT | codes.ASSERT_NOT:
                yield from _pumps(argument[1], before)
            case _ if code in _REPEATS:
                _, most, body = argument
                yield from _pumps(body, before)
                if most > _MANY:
                    samples = _samples(body)
                    yield from ((before, sample) for sample in samples if sample)
                    yield from ((before, a + b) for a, b in itertools.permutations(samples, 2))
        before += _samples([(code, argument)])[0]


def _samples(tree: Any) -> list[str]:
    """Some texts that the tree matches, but for what it looks ahead or behind to."""
    found = [""]
    for code, argument in tree:
        found = [first + second for first, second in itertools.product(found, _one(code, argument))][:_MOST_SAMPLES]
    return found


def _one(code: Any, argument: Any) -> list[str]:
    match code:
        case codes.LITERAL:
            return [chr(argument)]
        case codes.NOT_LITERAL:
            return ["b" if argument == ord("a") else "a"]
        case codes.ANY:
            return ["a"]
        case codes.IN:
            return _of_class(argument)
        case codes.BRANCH:
            return [sample for branch in argument[1] for sample in _samples(branch)[:2]]
        case codes.SUBPATTERN:
            return _samples(argument[3])
        case codes.ATOMIC_GROUP:
            return _samples(argument)
        case _ if code in _REPEATS:
            return [sample * max(argument[0], 1) for sample in _samples(argument[2])]
    return [""]


def _of_class(items: Any) -> list[str]:
    if items[0][0] is codes.NEGATE:
        one = re.compile(f"[{re.escape(''.join(chr(value) for code, value in items if code is codes.LITERAL))}\0]")
        return [next(letter for letter in "a1 -;" if not one.match(letter))]
    found = []
    for code, value in items:
        if code is codes.LITERAL:
            found.append(chr(value))
        elif code is codes.RANGE:
            found.append(chr(value[0]))
        else:
            found.append(_OF_CATEGORY.get(value, "-"))
    return found[:3]
