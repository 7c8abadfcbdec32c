"""Options: their sources, their precedence, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.durations import parse_duration
from flight_server.cli import security
from flight_server.config import ServerConfig, load, options, shown_options
from flight_server.options import AuthOptions, ConfigError, parse_size
from tests.flight_server.endpoint.certificates import Authority


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1048576),
        ("4GB", 4_000_000_000),
        ("4gb", 4_000_000_000),
        ("4 GiB", 4 * 2**30),
        ("1.5K", 1500),
        ("512MiB", 512 * 2**20),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "4XB", "4iB", "0", "1e9", "four"])
def test_refused_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("500ms", 0.5), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 weeks", "1:30"])
def test_refused_durations(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        parse_duration(text)


def test_defaults() -> None:
    config = load({}, {})
    assert config == ServerConfig()
    assert (config.listen.host, config.listen.port) == ("127.0.0.1", 31337)


def test_a_flag_wins_over_a_variable_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "grism.toml"
    file.write_text('[listen]\nhost = "127.0.0.2"\nport = 1\n[resources]\nthreads = 1\nmemory_limit = "1GB"\n')
    environment = {"GRISM_CONFIG": str(file), "GRISM_PORT": "2", "GRISM_THREADS": "2", "HOME": "/"}
    config = load({"port": "3", "threads": None}, environment)
    assert config.listen.port == 3
    assert config.resources.threads == 2
    assert config.resources.memory_limit == 10**9
    assert config.listen.host == "127.0.0.2"
    assert config.runtime.runtime == "local"


def test_options_are_shown_as_texts_that_give_them_again() -> None:
    given = {"memory_limit": "4GB", "retain": "7 days", "statement_ttl": "500ms", "insecure": "true", "port": "0"}
    config = load(given, {})
    shown = {option.name: option.value for option in shown_options(config)}
    assert shown.keys() == {option.name for option in options()}
    assert {name: shown[name] for name in given} == {
        "memory_limit": "4000000000",
        "retain": "604800 seconds",
        "statement_ttl": "0.5s",
        "insecure": "true",
        "port": "0",
    }
    assert load(shown, {}) == config


def test_every_option_has_one_name_in_three_spellings() -> None:
    known = list(options())
    assert len({option.name for option in known}) == len(known)
    memory = next(option for option in known if option.name == "memory_limit")
    assert (memory.flag, memory.variable, memory.group) == ("--memory-limit", "GRISM_MEMORY_LIMIT", "resources")


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"port": "http"}, {}, r"--port: 'http' is not allowed; it takes a whole number from 0 to 65535"),
        ({"port": "70000"}, {}, r"--port: '70000' is not allowed"),
        ({"statement_ttl": "0s"}, {}, r"--statement-ttl: '0s' is not allowed; it takes a duration above zero"),
        ({"runtime": "spark"}, {}, r"--runtime: 'spark' is not allowed; it takes local or ray"),
        ({"exchange_compression": "zip"}, {}, r"--exchange-compression: 'zip' is not allowed; it takes none or lz4"),
        ({}, {"GRISM_MEMORY_LIMIT": "lots"}, r"GRISM_MEMORY_LIMIT: 'lots' is not allowed; it takes a size such as"),
        ({}, {"GRISM_PROT": "1"}, r"There is no variable 'GRISM_PROT'\. Did you mean 'GRISM_PORT'\?.*GRISM_HOST"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(
    flags: dict[str, object], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(flags, environment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[listn]\nport = 1", r"no section 'listn'\. Did you mean 'listen'\?"),
        ("[listen]\nprot = 1", r"no option in \[listen\] 'prot'\. Did you mean 'port'\?"),
        ("[listen]\nport = 'x'", r"listen\.port: 'x' is not allowed"),
        ("[listen]\nport = [1]", r"listen\.port: takes PORT, not a list"),
        ("listen = 1", r"\[listen\] is a section"),
        ("port 1", r"is not TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "grism.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load({}, {}, file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load({}, {}, tmp_path / "absent.toml")


def test_what_is_checked_before_serving(tmp_path: Path) -> None:
    load({"data": str(tmp_path)}, {}).check()
    load({"data": str(tmp_path), "host": "0.0.0.0", "insecure": True}, {}).check()
    for flags, message in [
        ({}, "--data is missing"),
        ({"data": str(tmp_path / "absent")}, "is not a folder"),
        ({"data": str(tmp_path), "host": "0.0.0.0"}, "say --insecure"),
        ({"data": str(tmp_path), "host": "example.org"}, "say --insecure"),
        ({"data": str(tmp_path), "workers": "2"}, "--workers needs --runtime ray"),
        ({"data": str(tmp_path), "worker_tls_ca": "ca"}, "go together"),
        (
            {"data": str(tmp_path), "worker_tls_ca": "a", "worker_tls_cert": "b", "worker_tls_key": "c"},
            "needs --runtime ray",
        ),
    ]:
        with pytest.raises(ConfigError, match=message):
            load(flags, {}).check()


def test_a_key_belongs_to_its_certificate(tmp_path: Path) -> None:
    pair, other = (Authority().issue("localhost") for _ in range(2))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.private_key)
    options = AuthOptions(tls_cert=certificate, tls_key=key)
    assert security.tls(options) is not None
    for wrong in (other.private_key, pair.certificate):
        key.write_bytes(wrong)
        with pytest.raises(
            ConfigError,
            match=r"--tls-key: '.*key\.pem' cannot be used with the certificate in '.*cert\.pem': [a-z ]+\. It has",
        ):
            security.tls(options)
