"""Traces: the header, what is imported when they are off, and collectors that fail."""

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from headwater import logs
from headwater.config import Settings
from headwater.tracing import Tracing, trace_id_of
from tests.fakes.http_target import Reply, Target, http_target
from tests.harness.localcloud import wait_until
from tests.harness.paths import ROOT
from tests.harness.spans import received_spans

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize("given", [VALID, f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-ff"])
def test_valid_traceparent_is_read(given: str) -> None:
    assert trace_id_of(given) == TRACE


HOSTILE = [
    *("", "00", "-", "null", "\0", VALID[:-1], VALID + "0", VALID + "-extra", VALID + "\n", " " + VALID, VALID + " "),
    *(f"{VALID},{VALID}", VALID.upper(), VALID.replace("-", "_"), VALID.replace("4bf9", "4bg9"), f"x{VALID}"),
    *(f"01-{TRACE}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", f"0-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-1"),
    *(f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}0-{SPAN}-01", f"00-{TRACE}-{SPAN}0-01"),
    *(f"00-{TRACE[:-1]}٣-{SPAN}-01", f"00-{TRACE[:-1]}４-{SPAN}-01", "9" * 1_000_000, VALID * 10_000),  # noqa: RUF001
    *('00-"}\n{"severity":"ERROR"}-01', "00-../../../../../../../../etc/passwd-01", "'; drop table steps; --"),
]


@pytest.mark.parametrize("given", HOSTILE, ids=lambda given: repr(given[:70]))
def test_hostile_traceparent_is_ignored(given: str) -> None:
    assert trace_id_of(given) == ""


@pytest.mark.parametrize(
    "settings", ["", "otel_sdk_disabled=True, otel_exporter_otlp_endpoint='http://127.0.0.1:9'"], ids=["unset", "off"]
)
def test_nothing_of_opentelemetry_is_imported_if_traces_are_off(settings: str) -> None:
    program = f"""
import flask, sys
from headwater import tracing
from headwater.config import Settings
from headwater.web.app import App, Route
from tests.harness.support import unopened_database
def handle(call):
    with tracing.span("work"):
        return {{"traceparent": tracing.current_traceparent()}}
settings = Settings(database_url="x", {settings})
app = App("test", settings, [Route("GET", "/work", handle, "Work", access="public")], unopened_database())
with flask.Flask("test").test_request_context("/work", headers={{"traceparent": {VALID!r}}}):
    assert app(flask.request).json == {{"traceparent": ""}}
assert [name for name in sys.modules if name.startswith("opentelemetry")] == []
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.fixture
def collector() -> Iterator[Target]:
    with http_target() as target:
        yield target


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, stream = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level
    logs.configure("INFO", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def traces_to(collector: Target) -> Tracing:
    return Tracing(Settings(database_url="x", otel_exporter_otlp_endpoint=collector.url), "test")


def end_span(tracing: Tracing, name: str) -> None:
    tracing.start(name, "server", None, VALID).end()


OTHERS = [f"other {n}" for n in range(20)]


def flushes_do_not_wait(tracing: Tracing) -> bool:
    """End and flush spans. Returns whether that takes less than 5 s; the exporter itself gives up after 10 s."""

    def end_all() -> None:
        for name in OTHERS:
            end_span(tracing, name)
            tracing.flush(3600)

    thread = threading.Thread(target=end_all, daemon=True)
    thread.start()
    thread.join(5)
    return not thread.is_alive()


def test_silent_collector_delays_one_request_for_its_time_limit_and_no_other(collector: Target) -> None:
    release = threading.Event()
    collector.reply = lambda hit: Reply(after=release)
    tracing = traces_to(collector)
    end_span(tracing, "first")
    tracing.flush(0.5)
    collector.wait_for(1)
    assert flushes_do_not_wait(tracing)
    assert (collector.concurrent, len(collector.hits)) == (1, 1)
    release.set()
    collector.wait_for(2)
    assert {span.name for span in received_spans(collector.hits)} == {"first", *OTHERS}


def test_failing_collector_is_logged_once_until_it_recovers(collector: Target, log: io.StringIO) -> None:
    collector.reply_in_turn(400, 401, 413, 200, 404)
    tracing = traces_to(collector)
    for n in range(5):
        end_span(tracing, f"span {n}")
        tracing.flush(60)
        collector.wait_for(n + 1)
    wait_until(lambda: log.getvalue().count("\n") >= 2)
    entries = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [entry["action"] for entry in entries] == ["traces.not_exported"] * 2
    assert ["400" in entries[0]["reason"], "404" in entries[1]["reason"]] == [True, True]


def test_refused_connection_delays_one_request_for_its_time_limit_and_no_other() -> None:
    tracing = Tracing(Settings(database_url="x", otel_exporter_otlp_endpoint="http://127.0.0.1:9"), "test")
    end_span(tracing, "first")
    tracing.flush(0.01)
    assert flushes_do_not_wait(tracing)


def test_span_continues_the_trace_of_a_valid_traceparent_or_of_the_log(collector: Target) -> None:
    tracing = traces_to(collector)
    token = logs.trace.set("projects/p/traces/" + "ab" * 16)
    for given in (VALID, "forged", f"00-{TRACE}-{SPAN}-00"):
        tracing.start("request", "server", None, given).end()
    logs.trace.reset(token)
    tracing.flush(60)
    continued, own = received_spans(collector.wait_for(1))
    assert (continued.trace, continued.parent) == (TRACE, SPAN)
    assert (own.trace, own.parent) == ("ab" * 16, "")
