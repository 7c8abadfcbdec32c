"""Somebody at a browser without JavaScript: keeps cookies, fills in forms and presses buttons."""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

__all__ = ["Answer", "Visitor"]


@dataclass
class Answer:
    """What came back; of a page, the texts, the tags and the forms."""

    status: int
    headers: Mapping[str, str]
    body: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        parser = _Parser()
        parser.feed(self.body)
        self.tags, self.text = parser.tags, " ".join("".join(parser.texts).split())

    @property
    def location(self) -> str:
        """Where it sends who asked."""
        return self.headers.get("location", "")

    def values(self, tag: str, attribute: str) -> list[str]:
        """The values of an attribute of all such tags."""
        return [value for name, attributes in self.tags if name == tag and (value := attributes.get(attribute))]

    @property
    def form_token(self) -> str:
        """The word that forms of this page come with."""
        found = re.search(r'name="token" value="(\w+)"', self.body)
        assert found is not None, self.text
        return found[1]


class Visitor:
    """Asks the page at `address`. Every request goes with the headers in `headers`; one that is None is left out."""

    def __init__(self, address: str, context: ssl.SSLContext | None = None) -> None:
        self.parts = urlsplit(address)
        self.cookies: dict[str, str] = {}
        self.set_cookie = ""
        self.origin = address
        self._context = context

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET; redirects are not followed."""
        return self._ask("GET", path, headers or {})

    def post(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str | None] | None = None) -> Answer:
        """The answer to a form, which comes with the origin of the page unless `headers` say another."""
        told = {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        sent = {name: value for name, value in told.items() if value is not None}
        return self._ask("POST", path, sent, urlencode(fields))

    def log_in(self, user: str, password: str) -> Answer:
        """The answer to the login form."""
        return self.post("/login", {"user": user, "password": password, "next": "/queries"})

    def press(self, path: str, at: str) -> Answer:
        """The answer to a button's form on the page `at`."""
        return self.post(path, {"token": self.get(at).form_token})

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        told = dict(headers)
        if self.cookies:
            told["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = (
            http.client.HTTPSConnection(self.parts.netloc, timeout=20, context=self._context)
            if self._context is not None
            else http.client.HTTPConnection(self.parts.netloc, timeout=20)
        )
        try:
            connection.request(method, path, body, told)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        self.set_cookie = found.get("set-cookie", "")
        name, _, value = self.set_cookie.partition(";")[0].partition("=")
        if name:
            self.cookies[name] = value.strip('"')
        return Answer(answer.status, found, text)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
