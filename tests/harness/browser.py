"""A real browser, headless, told what to do over WebDriver: JSON over HTTP, for which nothing has to be installed."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.harness.waiting import until

__all__ = ["Browser", "browser"]

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # as the standard names it
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """One window of a browser."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._ask("GET", "/url"))

    def run(self, script: str, *arguments: str) -> Any:
        """What a script returns, run in the page by the browser itself, so whatever the page's policy is."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def run_to_end(self, script: str, *arguments: str) -> Any:
        """What a script gives to the function that it gets as its last argument."""
        return self._ask("POST", "/execute/async", {"script": script, "args": arguments})

    def find(self, selector: str) -> list[str]:
        """The elements, by a CSS selector."""
        found = self._ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [element[_ELEMENT] for element in found]

    def text(self, selector: str = "main") -> str:
        """What is to be read in the first such element; nothing where there is none."""
        script = "const found = document.querySelector(arguments[0]); return found === null ? '' : found.innerText"
        return " ".join(str(self.run(script, selector)).split())

    def click(self, selector: str) -> None:
        """Press the first such element, as a person does: it has to be there to be seen."""
        self._ask("POST", f"/element/{until(lambda: self.find(selector))[0]}/click", {})

    def write(self, selector: str, text: str) -> None:
        """Type into a field."""
        self._ask("POST", f"/element/{self.find(selector)[0]}/value", {"text": text})

    def devtools(self, command: str, **values: Any) -> Any:
        """Run a command of the browser's developer tools."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def requests(self) -> list[str]:
        """The URLs that were asked for since this was last called."""
        entries = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def complaints(self) -> list[str]:
        """What the browser's console has said since this was last called: errors, and what the policy has refused."""
        return [entry["message"] for entry in self._log("browser")]

    def picture(self, path: Path) -> None:
        """Write what is seen, as PNG."""
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _log(self, kind: str) -> list[Any]:
        found: list[Any] = self._ask("POST", "/se/log", {"type": kind})
        return found

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return _ask(method, f"{self._session}{path}", body)


@contextmanager
def browser(width: int = 1200, height: int = 800) -> Iterator[Browser]:
    """A window of headless Chromium. Where that is missing the test is skipped, and fails where CI is set."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver is None or chromium is None:
        missing = "there is no Chromium with its driver here (Debian: chromium, chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        try:
            assert run.stdout is not None
            port = next(found[1] for line in run.stdout if (found := re.search(r"successfully on port (\d+)", line)))
            options = {
                "goog:chromeOptions": {"binary": chromium, "args": [*_FLAGS, f"--window-size={width},{height}"]},
                "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
            }
            made = _ask("POST", f"http://127.0.0.1:{port}/session", {"capabilities": {"alwaysMatch": options}})
            session = f"http://127.0.0.1:{port}/session/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _ask("DELETE", session)
        finally:
            run.terminate()


def _ask(method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except HTTPError as error:
        told = json.load(error)["value"]
        raise AssertionError(f"{told['error']}: {told['message']}") from None
