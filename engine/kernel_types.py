"""The kernel's types as trees, read from the text in which the kernel writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.errors import UnsupportedError

__all__ = ["ARRAY", "LIST", "KernelType", "parse_type", "unquote"]

LIST, ARRAY = "LIST", "ARRAY"
_NAMED = ("STRUCT", "UNION")
_NESTED = (*_NAMED, "MAP", "TUPLE")
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[(),\[\]]|[^\s'"(),\[\]]+|\s+""")


@dataclass(frozen=True)
class KernelType:
    """One type. `str()` of it is the kernel's text.

    `name` is LIST or ARRAY for those, else the kernel's word. `members` are the types inside: of a list one, of a map
    those of keys and values, of structs and unions those that `names` names, quoted where the kernel quotes them.
    `arguments` is what else stands in parentheses, with these: the digits of a DECIMAL, the values of an ENUM.
    `size` is an array's.
    """

    name: str
    members: tuple[KernelType, ...] = ()
    names: tuple[str, ...] = ()
    arguments: str = ""
    size: int | None = None

    def __str__(self) -> str:
        if self.name == LIST:
            return f"{self.members[0]}[]"
        if self.name == ARRAY:
            return f"{self.members[0]}[{self.size}]"
        if self.members and self.names:
            listed = (f"{name} {member}" for name, member in zip(self.names, self.members, strict=True))
            return f"{self.name}({', '.join(listed)})"
        if self.members:
            return f"{self.name}({', '.join(map(str, self.members))})"
        return self.name + self.arguments

    def walk(self) -> Iterator[KernelType]:
        """The type and all inside of it."""
        yield self
        for member in self.members:
            yield from member.walk()

    def with_members(self, change: Callable[[KernelType], KernelType]) -> KernelType:
        """The same type of other members."""
        return replace(self, members=tuple(map(change, self.members))) if self.members else self


_MOST_LEVELS = 100  # each takes some of the interpreter's stack


@lru_cache(maxsize=4096)
def parse_type(text: str) -> KernelType:
    """The type that the kernel writes as `text`.

    Raises ValueError for what is none, and UnsupportedError for one that is nested deeper than any that may leave.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"not a type: {text}")
    reader = _Reader(tokens)
    try:
        found = reader.read()
    except ValueError:
        raise ValueError(f"not a type: {text}") from None
    if reader.next or str(found) != text:
        raise ValueError(f"not a type: {text}")
    return found


def unquote(name: str) -> str:
    """The name that `name`, as it stands in a type's text, means."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._level = 0

    @property
    def next(self) -> str:
        """The token to come; empty after the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def read(self) -> KernelType:
        """The type that the tokens to come begin with."""
        first = self._at
        self._level += 1
        while self.next not in ("(", ")", ",", "[", "]", ""):
            self._at += 1
        name = "".join(self._tokens[first : self._at]).strip()
        if not name:
            raise ValueError("a type has no name")
        found = KernelType(name)
        self._check(self._level)
        if self.next == "(" and name in _NESTED:
            found = self._nested_type(name)
        elif self.next == "(":
            found = KernelType(name, arguments=self._through(")"))
        lists = 0
        while self.next == "[":
            size = self._through("]")[1:-1]
            found = KernelType(ARRAY, (found,), size=int(size)) if size else KernelType(LIST, (found,))
            lists += 1
            self._check(self._level + lists)
        self._level -= 1
        return found

    @staticmethod
    def _check(level: int) -> None:
        if level > _MOST_LEVELS:
            raise UnsupportedError("A type is nested deeper than the 64 levels that Arrow carries.")

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ")"

    def _nested_type(self, name: str) -> KernelType:
        names: list[str] = []
        members: list[KernelType] = []
        while self._take() != ")":
            while self.next.isspace():
                self._at += 1
            if name in _NAMED:
                names.append(self._take())
            members.append(self.read())
        return KernelType(name, tuple(members), tuple(names))

    def _through(self, end: str) -> str:
        """The tokens up to the first `end`, as they are."""
        first, self._at = self._at, self._tokens.index(end, self._at) + 1
        return "".join(self._tokens[first : self._at])
