"""The users file and logins over it."""

from __future__ import annotations

import base64
import stat
import time
from pathlib import Path

import pytest

from engine.rights import Identity
from flight_server.auth.login import Login, basic_credentials
from flight_server.auth.users import Users, UsersFileError, add_user, remove_user
from flight_server.endpoint.status import UnauthenticatedError
from flight_server.endpoint.tickets import TicketSigner

PASSWORD = "a:very:long one"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    add_user(path, "alice", PASSWORD, frozenset({"reader"}))
    add_user(path, "bob", "bob's password", frozenset({"writer", "ops"}))
    return path


def basic(text: str) -> dict[str, list[str]]:
    return {"authorization": ["Basic " + base64.b64encode(text.encode()).decode().rstrip("=")]}


def bearer(token: str) -> dict[str, list[str]]:
    return {"authorization": [f"Bearer {token}"]}


def test_the_file_is_private_and_holds_no_password(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert [entry.name for entry in file.parent.iterdir()] == ["users"]


def test_a_file_that_others_can_read_is_refused(file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(UsersFileError, match="chmod 600"):
        Users(file)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "a\nroot:admin", "-x", "x" * 65])
def test_names_that_would_break_the_file(file: Path, name: str) -> None:
    with pytest.raises(UsersFileError):
        add_user(file, name, PASSWORD, frozenset())


def test_verify_and_changes_while_running(file: Path) -> None:
    users = Users(file)
    found = users.verify("alice", PASSWORD)
    assert found is not None
    assert found.roles == {"reader"}
    assert users.verify("alice", PASSWORD + "x") is None
    assert users.verify("nobody", PASSWORD) is None
    remove_user(file, "alice")
    assert users.verify("alice", PASSWORD) is None
    with pytest.raises(UsersFileError, match="no user 'alice'"):
        remove_user(file, "alice")


def test_an_unknown_user_takes_as_long_as_a_wrong_password(file: Path) -> None:
    users = Users(file)

    def seconds(name: str) -> float:
        def once() -> float:
            started = time.process_time()
            users.verify(name, "wrong password")
            return time.process_time() - started

        return min(once() for _ in range(5))

    assert 0.5 < seconds("nobody") / seconds("alice") < 2


def test_basic_credentials() -> None:
    assert basic_credentials("YWxpY2U6YTpi") == ("alice", "a:b")
    assert basic_credentials("YTpi") == basic_credentials("YTpi==") == ("a", "b")
    for wrong in ("", "YWxpY2U", "%%%", "/w"):
        with pytest.raises(UnauthenticatedError):
            basic_credentials(wrong)


def test_login_token_and_what_ends_it(file: Path) -> None:
    login = Login(Users(file))
    alice = login.identify(basic(f"alice:{PASSWORD}"))
    assert alice == Identity("alice", frozenset({"reader"}))
    token = login.issue_token(alice)
    assert token is not None
    assert login.identify(bearer(token)) == alice
    add_user(file, "alice", "another password", frozenset({"admin"}))
    with pytest.raises(UnauthenticatedError):
        login.identify(bearer(token))
    with pytest.raises(UnauthenticatedError):
        login.identify(basic(f"alice:{PASSWORD}"))


def test_a_token_lives_by_its_use_up_to_a_bound(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login(Users(file), token_ttl=60, token_lifetime=150)
    alice = login.identify(basic(f"alice:{PASSWORD}"))
    used, unused = login.issue_token(alice), login.issue_token(alice)
    assert used is not None
    assert unused is not None
    began = time.time()
    for later in (50, 100, 145):
        monkeypatch.setattr(time, "time", lambda later=later: began + later)
        assert login.identify(bearer(used)) == alice
    with pytest.raises(UnauthenticatedError):
        login.identify(bearer(unused))
    monkeypatch.setattr(time, "time", lambda: began + 151)
    with pytest.raises(UnauthenticatedError):
        login.identify(bearer(used))
    fresh = login.issue_token(alice)
    assert fresh is not None
    for _ in range(2):  # a use that comes too late is none
        monkeypatch.setattr(time, "time", lambda: began + 212)
        with pytest.raises(UnauthenticatedError):
            login.identify(bearer(fresh))


def test_only_users_get_tokens_and_only_their_own(file: Path) -> None:
    login = Login(Users(file))
    assert login.issue_token(Identity("alice", frozenset({"reader"}))) is not None
    assert login.issue_token(Identity("alice", frozenset({"admin"}))) is None  # somebody else of that name
    assert login.issue_token(Identity("of a JWT", frozenset({"reader"}))) is None


def test_tokens_that_are_forged_foreign_or_expired(file: Path) -> None:
    users = Users(file)
    signer = TicketSigner.generate()
    login = Login(users, signer=signer)
    alice = login.identify(basic(f"alice:{PASSWORD}"))
    token = login.issue_token(alice)
    assert token is not None
    expired = Login(users, signer=signer, token_lifetime=-1).issue_token(alice)
    foreign = Login(users).issue_token(alice)
    ticket = base64.urlsafe_b64encode(signer.seal(b"12345678alice", "alice", time.time() + 60)).decode()
    middle = len(token) // 2
    flipped = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for wrong in (expired, foreign, flipped, "grism-" + ticket, "grism-", "", token[:-5], "alice"):
        with pytest.raises(UnauthenticatedError):
            login.identify(bearer(wrong))


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": ["Digest x"]}, {"authorization": ["Basic YTpi", "Basic YTpi"]}]
)
def test_headers_that_prove_nothing(file: Path, headers: dict[str, list[str]]) -> None:
    with pytest.raises(UnauthenticatedError):
        Login(Users(file)).identify(headers)


def test_failures_are_slowed_and_logged_without_the_password(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    login = Login(Users(file))
    seconds = []
    for _ in range(4):
        started = time.monotonic()
        with pytest.raises(UnauthenticatedError, match="User or password is wrong"):
            login.identify(basic("alice:not the password"))
        seconds.append(time.monotonic() - started)
    assert seconds[3] >= 0.8
    assert caplog.messages.count("login failed") == 4
    assert "not the password" not in "".join(str(vars(record)) for record in caplog.records)
    assert login.identify(basic(f"alice:{PASSWORD}")).name == "alice"
