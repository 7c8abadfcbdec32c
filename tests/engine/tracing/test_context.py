"""The header `traceparent`, as W3C's Trace Context has it."""

from __future__ import annotations

import pytest

from engine.tracing import SpanContext, begin, context_in

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NAMED = f"00-{TRACE}-{SPAN}"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"{NAMED}-01", True),
        (f"{NAMED}-00", False),
        (f"{NAMED}-03", True),
        (f"{NAMED}-02", False),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be-the-future", True),
    ],
)
def test_a_span_is_named(header: str, sampled: bool) -> None:
    for value in (header, header.encode()):
        found = context_in({"traceparent": [value]})  # type: ignore[dict-item]
        assert found == SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled)
    assert found is not None
    assert found.trace == TRACE
    assert found.header == f"{NAMED}-0{int(sampled)}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        NAMED,
        f"{NAMED}-",
        f"{NAMED}-1",
        f"{NAMED}-zz",
        f"{NAMED}-01-more",
        f"{NAMED}-01-",
        f"{NAMED}-01 ",
        f"{NAMED}-01\n",
        f"{NAMED.upper()}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00_{TRACE}_{SPAN}_01",
        f"00-{'٣' * 32}-{SPAN}-01",
        "\xff" * 55,
    ],
    ids=ascii,
)
def test_what_names_no_span_is_ignored(header: str) -> None:
    assert context_in({"traceparent": [header]}) is None
    assert context_in({"traceparent": [header.encode(errors="replace")]}) is None


def test_several_headers_name_none() -> None:
    assert context_in({}) is None
    assert context_in({"traceparent": []}) is None
    assert context_in({"traceparent": [f"{NAMED}-01", f"{NAMED}-01"]}) is None


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ([""], ""),
        (["congo=t61rcWkgMzE"], "congo=t61rcWkgMzE"),
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ([" a=1 ,\t,b= 2 , "], "a=1,b= 2"),
        (["a=1", "b=2,c=3"], "a=1,b=2,c=3"),  # which may be split up
        (["fw529a3039@dt=a/b;c:d", "0-_*/=!~"], "fw529a3039@dt=a/b;c:d,0-_*/=!~"),
        ([",".join(f"k{number}=v" for number in range(32))], ",".join(f"k{number}=v" for number in range(32))),
        ([",".join(f"k{number}=v" for number in range(33))], ""),
        ([f"{'k' * 256}={'v' * 256}"], f"{'k' * 256}={'v' * 256}"),
        ([f"{'k' * 257}=v"], ""),
        ([f"k={'v' * 257}"], ""),
        (["a=1", "b"], ""),
        (["a"], ""),
        (["a="], ""),
        (["=1"], ""),
        (["A=1"], ""),
        (["a =1"], ""),
        (["a=1=2"], ""),
        (["a=1;b=2"], ""),
        (["a=\x7f"], ""),
        (["a=ü"], ""),
        (["a=1\n"], ""),
        (["a=\x00"], ""),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_clients_tell_of_a_trace_goes_with_it(headers: list[str], state: str) -> None:
    for values in (headers, [header.encode() for header in headers]):
        found = context_in({"traceparent": [f"{NAMED}-01"], "tracestate": values})  # type: ignore[dict-item]
        assert found == SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), True, state)
        assert context_in({"traceparent": ["x"], "tracestate": values}) is None  # type: ignore[dict-item]
        assert context_in({"tracestate": values}) is None  # type: ignore[dict-item]


def test_no_span_is_made_for_nobody() -> None:
    assert begin("call", is_server=True) is None
    assert begin("stage", SpanContext(bytes(15) + b"1", bytes(7) + b"1", True)) is None
