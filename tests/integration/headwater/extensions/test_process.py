"""Extensions in processes of their own: the caller gets a result, or an error that says what went wrong."""

import os
import uuid
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from functions.collection.connectors.confidential import ConfidentialReader
from functions.collection.connectors.extension import ExtensionKind, ExtensionReader
from headwater import logs
from headwater.connectors import ConnectorContext, Entry, Listing
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent, UpstreamError
from headwater.extensions.discovery import Extension
from headwater.extensions.process import ExtensionProcess
from headwater.extensions.tools import ExtensionTool
from headwater.outbound.deadline import NotWanted, while_wanted
from headwater.processes.process import ProcessFailed, ProcessOutOfMemory, ProcessStopped
from headwater.tools import MAX_RESULT_BYTES, ToolContext

MISBEHAVING = Extension("headwater.connectors", "bad", "tests.fakes.extensions:Misbehaving", "headwater-bad", "1")
ECHO = Extension("headwater.tools", "echo", "tests.fakes.extensions:Echo", "headwater-bad", "1")
CONTEXT = ToolContext(
    workspace_id=uuid.uuid4(),
    caller="ada",
    settings={"tone": "kind"},
    blob_url="memory:///",
    blob_prefix="tools/echo",
    allow_private=False,
)
FOREVER_S = 600.0


def source(
    action: str, *, secret: str | None = None, timeout_s: float = 60, max_file_bytes: int = 10_000
) -> ExtensionReader:
    context = ConnectorContext(
        stage_prefix="staged/1",
        blob_url="memory:///",
        allow_private=False,
        allow_file_urls=False,
        max_file_bytes=max_file_bytes,
        max_batch_bytes=1_000_000,
        max_source_bytes=1_000_000,
        timeout_s=timeout_s,
    )
    return ExtensionReader(MISBEHAVING, context, {"do": action}, secret)


def entries(*keys: str) -> list[Entry]:
    return [Entry(key, "1") for key in keys]


def children() -> list[psutil.Process]:
    """Processes of connectors and tools. The test's own process has others too, such as its Postgres."""
    return [process for process in psutil.Process().children(recursive=True) if is_extension(process)]


def is_extension(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it may end meanwhile; a zombie counts as ended
        return "headwater.extensions.methods:" in " ".join(process.cmdline())
    return False


@pytest.mark.parametrize(
    ("action", "kind", "message"),
    [
        ("raise", ProcessFailed, r"headwater-bad \(bad\) failed in 'list': RuntimeError: boom"),
        ("raise permanent", PermanentError, "The feed is gone"),
        ("raise systemic", SystemicError, "is wrong"),
        ("exit", ProcessFailed, r"ended in 'list' \(exit code 3\)"),
        ("crash", ProcessFailed, r"ended in 'list' \(signal 11\)"),
        ("leave", ProcessFailed, "SystemExit"),
        ("grow", ProcessOutOfMemory, "needed more memory than allowed in 'list'"),
        ("return text", PermanentError, "returned an invalid result in 'list'"),
        ("return twice", PermanentError, "the same key twice"),
    ],
)
def test_list_reports_what_the_connector_did(action: str, kind: type[HeadwaterError], message: str) -> None:
    with pytest.raises(kind, match=message):
        source(action).list(None, frozenset())
    assert children() == []


def test_upstream_error_keeps_the_pause_that_the_server_asked_for() -> None:
    with pytest.raises(UpstreamError) as caught:
        source("raise upstream").list(None, frozenset())
    assert caught.value.retry_after_s == 7


@pytest.mark.parametrize("action", ["sleep", "hold the interpreter"])
def test_hanging_connector_is_stopped_at_its_time_limit(action: str) -> None:
    with pytest.raises(ProcessStopped, match="did not finish 'list' within 1 s and was stopped"):
        source(action, timeout_s=1).list(None, frozenset())
    assert children() == []


def test_connector_is_stopped_when_its_result_is_not_wanted() -> None:
    with while_wanted(lambda: children() == []), pytest.raises(NotWanted):
        source("sleep", timeout_s=FOREVER_S).list(None, frozenset())
    assert children() == []


def test_secret_is_removed_from_messages() -> None:
    for action in ("raise", "raise systemic"):
        with pytest.raises(HeadwaterError) as caught:
            source(action, secret="s3cret").list(None, frozenset())
        assert "s3cret" not in caught.value.message
        assert "[secret]" in caught.value.message


SECRET = "s3cr3t/T0k+n-Zq9~Xy"


def assert_confidential(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that neither a text nor the log has a part of the secret in some encoding, or an unprintable character."""
    captured = capsys.readouterr()
    assert "[secret]" in text
    for shown in (text, captured.out + captured.err):
        for form in (SECRET, quote(SECRET, safe=""), b64encode(SECRET.encode()).decode().rstrip("=")):
            assert not [form[i : i + 8] for i in range(len(form) - 7) if form[i : i + 8] in shown]
        assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("action", ["raise encoded", "raise encoded unexpectedly", "raise", "raise systemic"])
def test_encoded_secret_is_in_no_error_and_no_log(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    with pytest.raises(HeadwaterError) as caught:
        ConfidentialReader(source(action, secret=SECRET), SECRET).list(None, frozenset())
    logs.event("step.failed", error=caught.value)
    assert len(caught.value.message) < 1_200
    assert_confidential(caught.value.message, capsys)


def test_encoded_secret_is_in_no_reason(capsys: pytest.CaptureFixture[str]) -> None:
    reader = ConfidentialReader(source("skip", secret=SECRET), SECRET)
    [(_, skipped)] = reader.list(None, frozenset()).skipped
    assert_confidential(skipped, capsys)
    refused, accepted = reader.fetch("1", entries("refused.md", "b.md"))
    assert_confidential(str(refused.error), capsys)
    assert (accepted.content, accepted.error) == (b"x" * 1000, None)


def test_result_over_the_limit_is_refused() -> None:
    arguments = {"do": "return much"}, None, None, frozenset[str]()
    with ExtensionProcess(MISBEHAVING) as process, pytest.raises(PermanentError, match="more than 1,000 bytes"):
        process.call("list", *arguments, kind=Listing, timeout_s=60, max_bytes=1_000)


def test_process_has_no_settings_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:password@db/headwater")
    monkeypatch.setenv("SECRET_KEY", "key")
    monkeypatch.setenv("ACME_URL", "https://acme.example")
    listing = source("tell").list("7", frozenset({"a"}))
    assert listing.snapshot == "ACME_URL"
    assert listing.cursor == "7"
    assert listing.entries[0].fingerprint != str(os.getpid())


def test_fetch_returns_files_and_limits_their_size() -> None:
    [small] = source("").fetch("", entries("a.md"))
    assert (small.key, small.content) == ("a.md", b"x" * 1000)
    [large] = source("", max_file_bytes=10).fetch("", entries("a.md"))
    assert large.content is None
    assert large.error == "a.md has 1,000 bytes, more than the limit of 10 (MAX_FILE_BYTES)"


def test_fetch_of_a_document_that_was_not_requested_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"returned 'unknown.md', which was not requested"):
        list(source("").fetch("", entries("other.md")))


def test_connector_that_hangs_before_its_first_file_is_given_up_for_the_run() -> None:
    with pytest.raises(SystemicError, match="was stopped"):
        list(source("", timeout_s=1).fetch("", entries("hang.md", "a.md")))


@pytest.mark.parametrize("keys", [("a.md", "hang.md"), ("hang.md",)])
def test_connector_that_hangs_over_one_file_fails_that_step(keys: tuple[str, ...]) -> None:
    with pytest.raises(ProcessStopped):
        list(source("", timeout_s=5).fetch("", entries(*keys)))


def test_fetch_that_is_not_read_to_its_end_leaves_no_process() -> None:
    files = source("", timeout_s=FOREVER_S).fetch("", entries("a.md", "hang.md"))
    next(files)
    assert len(children()) == 1
    files.close()  # type: ignore[attr-defined]
    assert children() == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tests.fakes.nowhere:Connector", "ModuleNotFoundError"),
        ("tests.fakes.extensions:Nothing", "AttributeError"),
        ("tests.fakes.extensions:NOT_A_CONNECTOR", "is not a subclass of Connector"),
    ],
)
def test_kind_that_cannot_be_loaded_is_refused_with_the_reason(target: str, message: str) -> None:
    with pytest.raises(UnprocessableContent, match=message):
        ExtensionKind(Extension("headwater.connectors", "bad", target, "headwater-bad", "1")).describe()


def test_config_is_checked_by_the_extension() -> None:
    with pytest.raises(UnprocessableContent, match="do"):
        ExtensionKind(MISBEHAVING).normalise({})
    assert ExtensionKind(MISBEHAVING).normalise({"do": "raise"}) == {"do": "raise"}


def test_tool_gets_its_context_and_returns_json() -> None:
    tool = ExtensionTool(ECHO)
    assert tool.describe().arguments_schema["required"] == ["do"]
    assert tool.run(CONTEXT, {"do": "go"}) == {"do": "go", "caller": "ada", "settings": {"tone": "kind"}}


@pytest.mark.parametrize(
    ("arguments", "timeout_s", "kind", "message"),
    [
        ({}, 60, UnprocessableContent, "missing required field `do`"),
        ({"do": "return much"}, 60, PermanentError, f"more than the limit of {MAX_RESULT_BYTES:,}"),
        ({"do": "sleep"}, 1, ProcessStopped, "did not finish 'run' within 1 s"),
    ],
)
def test_tool_is_limited(arguments: dict[str, Any], timeout_s: float, kind: type[HeadwaterError], message: str) -> None:
    with pytest.raises(kind, match=message):
        ExtensionTool(ECHO, timeout_s).run(CONTEXT, arguments)


def test_tool_whose_name_differs_from_its_entry_point_is_refused() -> None:
    other = Extension("headwater.tools", "shout", ECHO.target, "headwater-bad", "1")
    with pytest.raises(PermanentError, match="called 'echo', but the name of its entry point is 'shout'"):
        ExtensionTool(other).describe()


def test_process_that_has_left_its_session_is_killed() -> None:
    pid = ExtensionTool(ECHO).run(CONTEXT, {"do": "leave a process"})
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
