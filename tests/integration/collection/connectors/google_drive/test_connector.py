"""Collecting Google Drive: folders, exports, changes, expired tokens, trash, moves, limits, secrets, hostility."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from functions.collection.connectors.google_drive import connector
from functions.collection.connectors.google_drive.tree import DriveFile, inside
from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import Source
from headwater.config import Settings
from headwater.connectors import Period
from headwater.errors import HeadwaterError, UnprocessableContent
from tests.fakes.api_server import Reply, running
from tests.fakes.google_drive import ACCESS_TOKEN, FOLDER, ROOT, GoogleDrive
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline, running_pipeline
from tests.harness.support import WORKSPACE

DOCUMENT = "application/vnd.google-apps.document"


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "DELAY_S", 0.0)


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode(), fetch_private=True) as pipeline:
        yield pipeline


@pytest.fixture
def drive() -> Iterator[GoogleDrive]:
    with running(GoogleDrive()) as drive:
        yield drive


@pytest.fixture
def files(drive: GoogleDrive) -> dict[str, str]:
    found = {"manuals": drive.add("Manuals", FOLDER), "elsewhere": drive.add("Elsewhere", FOLDER, parent="")}
    found["pump"] = drive.add("Pump", DOCUMENT, b"# Pump\n\nIt delivers nine litres.\n", parent=found["manuals"])
    found["notes"] = drive.add("notes.md", "text/markdown", b"# Notes\n\nOiled.\n")
    found["old"] = drive.add("old.txt", "text/plain", b"An old text.\n")
    found["photo"] = drive.add("photo.PNG", "image/png", b"\x89PNG")
    return found


def open_source(drive: GoogleDrive, secret: Any = None, period: Period | None = None, **config: Any) -> Any:
    config = kind_for_new_source("google_drive").normalise({"url": drive.origin, "folder": ROOT, **config})
    token = secret if isinstance(secret, str) else json.dumps(secret or drive.secret)
    settings = Settings(database_url="unused", fetch_private=True, max_file_bytes=10_000)
    credentials = Credentials(WORKSPACE, "google_drive", config, token, None, period=period)
    return SourceOpener(settings).open(credentials)


def add(pipeline: Pipeline, drive: GoogleDrive) -> Source:
    return pipeline.add_source(drive.origin, json.dumps(drive.secret), kind="google_drive", folder=ROOT)


def listings(drive: GoogleDrive) -> int:
    return sum(one.startswith("GET /drive/v3/files 200") for one in drive.take_requests())


@pytest.mark.usefixtures("files")
def test_folder_is_collected_with_paths_and_later_by_its_changes(pipeline: Pipeline, drive: GoogleDrive) -> None:
    source = add(pipeline, drive)
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 3)
    assert pipeline.live_keys() == ["Manuals/Pump", "notes.md", "old.txt"]
    [(title, url)] = pipeline.rows("select title, url from documents where key = 'Manuals/Pump'")
    assert (title, url.startswith("https://drive.google.com/open?id=")) == ("Pump", True)
    drive.take_requests()
    run = pipeline.collect(source)
    assert (run.counts.unchanged, run.counts.embedded, listings(drive)) == (3, 0, 0)


def test_changes_are_followed(pipeline: Pipeline, drive: GoogleDrive, files: dict[str, str]) -> None:
    source = add(pipeline, drive)
    pipeline.collect(source)
    drive.contents[files["notes"]] = b"# Notes\n\nOiled twice.\n"
    drive.change(files["notes"], md5Checksum="changed")
    drive.change(files["old"], trashed=True)
    moved = drive.add("Archive", FOLDER, parent=files["elsewhere"])
    drive.add("inner.txt", "text/plain", b"Inner.\n", parent=drive.add("Deep", FOLDER, parent=moved))
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.removed, run.counts.added) == (1, 1, 0)
    drive.change(moved, parents=[ROOT])  # with its files, which have no change of their own
    drive.change(files["manuals"], parents=[files["elsewhere"]])
    run = pipeline.collect(source)
    assert (run.counts.removed, run.counts.added) == (1, 1)
    assert pipeline.live_keys() == ["Archive/Deep/inner.txt", "notes.md"]
    drive.delete(files["notes"])
    assert pipeline.collect(source).counts.removed == 1


def test_expired_token_reads_all_folders_again(pipeline: Pipeline, drive: GoogleDrive, files: dict[str, str]) -> None:
    source = add(pipeline, drive)
    pipeline.collect(source)
    drive.delete(files["old"])
    drive.oldest_token = len(drive.changes) + 1
    drive.take_requests()
    run = pipeline.collect(source)
    assert (run.counts.removed, run.counts.unchanged) == (1, 2)
    assert listings(drive) > 0


@pytest.mark.usefixtures("files")
def test_long_listing_goes_on_and_dying_workers_lose_nothing(
    pipeline: Pipeline, drive: GoogleDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    pipeline.start(add(pipeline, drive))
    die_everywhere(pipeline)
    assert pipeline.live_keys() == ["Manuals/Pump", "notes.md", "old.txt"]


@pytest.mark.usefixtures("files")
def test_limit_of_requests_is_waited_out_or_pauses_the_source(drive: GoogleDrive) -> None:
    limit = {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}], "message": "Slow down"}}
    reader = open_source(drive)
    drive.refusals = [Reply({"access_token": ACCESS_TOKEN}), Reply(limit, 403, {"Retry-After": "0"})]
    assert len(reader.list(None, frozenset()).entries) == 3
    drive.refusals = [Reply({"access_token": ACCESS_TOKEN}), Reply(limit, 403, {"Retry-After": "90"})]
    with pytest.raises(HeadwaterError, match="limit of requests") as raised:
        reader.list(None, frozenset())
    assert raised.value.retry_after_s == 90  # type: ignore[attr-defined]


def test_files_without_text_and_large_ones_are_left_out(drive: GoogleDrive, files: dict[str, str]) -> None:
    drive.change(files["old"], size="20000000")
    listing = open_source(drive).list(None, frozenset())
    assert listing.unmatched == {".png": 1}
    assert [(key, "more than 10,000" in reason) for key, reason in listing.skipped] == [("old.txt", True)]


def test_large_answer_and_deleted_file_fail_alone(drive: GoogleDrive, files: dict[str, str]) -> None:
    reader = open_source(drive)
    listing = reader.list(None, frozenset())
    drive.contents[files["notes"]] = b"x" * 20_000
    drive.delete(files["old"])
    found = {file.key: file for file in reader.fetch(listing.snapshot, listing.entries)}
    assert "more than 10,000 bytes" in found["notes.md"].error
    assert "HTTP 404" in found["old.txt"].error
    assert found["Manuals/Pump"].content.startswith(b"# Pump")


def test_everything_that_an_account_may_read_and_a_period(drive: GoogleDrive, files: dict[str, str]) -> None:
    march = "2024-03-05T10:00:00.000Z"
    drive.change(files["pump"], modifiedTime=march)
    drive.add("other.md", "text/markdown", b"# Other", parent=files["elsewhere"])
    listing = open_source(drive, folder="").list(None, frozenset())
    assert "Elsewhere/other.md" in {entry.key for entry in listing.entries}
    period = Period(since=dt.date(2024, 3, 5), until=dt.date(2024, 3, 5))
    listing = open_source(drive, period=period).list(None, frozenset())
    assert [entry.key for entry in listing.entries] == ["Manuals/Pump"]


def test_shortcuts_lead_to_files_elsewhere(pipeline: Pipeline, drive: GoogleDrive, files: dict[str, str]) -> None:
    other = drive.add("other.md", "text/markdown", b"# Other\n\nOne.", parent=files["elsewhere"])
    drive.shortcut("Linked.md", other)
    drive.shortcut("Again", files["pump"])
    drive.shortcut("Folder", files["elsewhere"])
    drive.shortcut("Broken", "file-that-is-gone")
    source = add(pipeline, drive)
    run = pipeline.collect(source)
    assert run.counts.added == 4
    keys = ["Linked.md", "Manuals/Pump", "notes.md", "old.txt"]
    assert pipeline.live_keys() == keys
    skipped = open_source(drive).list(None, frozenset()).skipped
    assert {key: reason.partition(",")[0] for key, reason in skipped} == {
        "Broken": "The file of the shortcut is gone",
        "Folder": "Shortcuts to folders aren't followed. Add the folder as a source of its own.",
    }
    drive.contents[other] = b"# Other\n\nTwo."
    drive.files[other]["md5Checksum"] = "changed"  # the folder's changes don't tell of it
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.unchanged) == (1, 3)
    assert "Two." in dict(pipeline.rows("select key, text from documents"))["Linked.md"]


def test_tokens_are_got_by_key_and_by_refresh_token(drive: GoogleDrive) -> None:
    open_source(drive, subject="ada@acme.example").check()
    assert drive.claims[-1]["sub"] == "ada@acme.example"
    assert drive.claims[-1]["scope"].endswith("/drive.readonly")
    user = {"client_id": "id", "client_secret": "s3cret-of-client", "refresh_token": "1//refresh"}
    open_source(drive, {**user, "token_uri": f"{drive.origin}/token"}).check()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"client_email": "unknown@x.example"}, r"refuses the secret \(invalid_grant\)"),
        ({"private_key": "not a key"}, "private_key can't be read"),
        ({"private_key": 5}, "must be the JSON key"),
        ({"client_email": ""}, "must be the JSON key"),
        ({"token_uri": "file:///etc/passwd"}, "isn't a web address"),
    ],
)
def test_wrong_secret_is_explained(drive: GoogleDrive, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnprocessableContent, match=reason) as raised:
        open_source(drive, {**drive.secret, **change}).check()
    assert "BEGIN PRIVATE KEY" not in raised.value.message


def test_folder_that_is_not_shared_is_explained(drive: GoogleDrive) -> None:
    with pytest.raises(UnprocessableContent, match=r"Share the folder with reader@acme\.iam\.example"):
        open_source(drive, folder="1-another-folder").check()
    with pytest.raises(UnprocessableContent, match="not a folder"):
        open_source(drive, folder=drive.add("a.md", "text/markdown", file_id="1-a-file-of-text")).check()


@pytest.mark.parametrize(
    ("entered", "folder"),
    [
        ("https://drive.google.com/drive/folders/1AbCdEfGhIj?usp=sharing", "1AbCdEfGhIj"),
        ("https://drive.google.com/drive/u/0/folders/1AbCdEfGhIj", "1AbCdEfGhIj"),
        (" 1AbCdEfGhIj ", "1AbCdEfGhIj"),
        ("", ""),
    ],
)
def test_folder_is_read_from_its_address(entered: str, folder: str) -> None:
    assert kind_for_new_source("google_drive").normalise({"folder": entered})["folder"] == folder


@pytest.mark.parametrize("entered", ["a' in parents or '", "https://evil.example/folders/1AbCdEfGhIj", "x/../y"])
def test_folder_in_another_form_is_refused(entered: str) -> None:
    with pytest.raises(UnprocessableContent, match="enter the address or the id"):
        kind_for_new_source("google_drive").normalise({"folder": entered})


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"files": 5, "changes": 5},
        {"files": [None, {"id": "../x"}, {"id": 5}], "nextPageToken": "same"},
        {"files": [{"id": "abc", "name": "\u0000/..", "mimeType": 5, "parents": ["abc", 7], "size": "1e9"}]},
    ],
)
def test_hostile_answers_end_the_listing(drive: GoogleDrive, body: Any) -> None:
    reader = open_source(drive)
    usual = drive.answer

    def answer(request: Any) -> Reply:
        return Reply(body) if request.path == "/drive/v3/files" else usual(request)

    drive.answer = answer  # type: ignore[method-assign]
    assert len(reader.list(None, frozenset()).entries) <= 1


def test_cycle_of_folders_is_not_inside() -> None:
    a, b = DriveFile("a", "b", FOLDER), DriveFile("b", "a", FOLDER)
    files = {"a": a, "b": b, "c": DriveFile("c", "a", "text/plain"), "d": DriveFile("d", "root", "text/plain")}
    assert list(inside(files, "root")) == ["d"]


def test_internal_token_address_is_refused() -> None:
    with running(GoogleDrive()) as internal:
        config = kind_for_new_source("google_drive").normalise({"folder": ROOT})
        credentials = Credentials(WORKSPACE, "google_drive", config, json.dumps(internal.secret), None)
        reader = SourceOpener(Settings(database_url="unused")).open(credentials)
        with pytest.raises(HeadwaterError, match="not public"):
            reader.list(None, frozenset())
        assert internal.take_requests() == []
