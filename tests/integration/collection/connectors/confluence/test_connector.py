"""Collecting Confluence, Cloud and Data Center: page trees, versions, trash, links, permissions, limits, hostility."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from functions.collection.connectors.confluence import connector
from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.connectors import Period
from headwater.errors import HeadwaterError, UnprocessableContent
from tests.fakes.api_server import Reply, running
from tests.fakes.confluence import API_TOKEN, PERSONAL_TOKEN, Confluence
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, running_pipeline
from tests.harness.support import WORKSPACE

EDITIONS = [("cloud", API_TOKEN), ("data center", PERSONAL_TOKEN)]
LINK = '<p>See <ac:link><ri:page ri:content-title="Pump &amp; valve"/></ac:link>.</p>'


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "DELAY_S", 0.0)


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode(), fetch_private=True) as pipeline:
        yield pipeline


@pytest.fixture
def confluence() -> Iterator[Confluence]:
    with running(Confluence()) as confluence:
        yield confluence


@pytest.fixture
def pages(confluence: Confluence) -> dict[str, str]:
    found = {"home": confluence.add("Home", LINK)}
    found["pump"] = confluence.add("Pump & valve", "<h1>Flow</h1><p>Nine litres.</p>", parent=found["home"])
    found["blog"] = confluence.add("News", kind="blogpost")
    found["folder"] = confluence.add("In a folder", parent="999")
    found["leave"] = confluence.add("Leave", space="HR")
    return found


def open_source(
    confluence: Confluence, token: str | None = API_TOKEN, period: Period | None = None, **config: Any
) -> Any:
    stored = kind_for_new_source("confluence").normalise(
        {"url": f"{confluence.origin}/wiki", "edition": "cloud", **config}
    )
    settings = Settings(database_url="unused", fetch_private=True)
    return SourceOpener(settings).open(Credentials(WORKSPACE, "confluence", stored, token, None, period=period))


@pytest.mark.parametrize(("edition", "token"), EDITIONS)
def test_pages_are_collected_followed_and_removed(
    edition: str, token: str, pipeline: Pipeline, confluence: Confluence, pages: dict[str, str]
) -> None:
    source = pipeline.add_source(f"{confluence.origin}/wiki", token, kind="confluence", edition=edition)
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 5)
    keys = ["ENG/Home", "ENG/Home/Pump & valve", "ENG/In a folder", "ENG/News", "HR/Leave"]
    assert pipeline.live_keys() == keys
    assert pipeline.links() == [("ENG/Home", "ENG/Home/Pump & valve")]
    [(title, url)] = pipeline.rows("select title, url from documents where key = 'ENG/Home/Pump & valve'")
    assert (title, url) == ("Pump & valve", f"{confluence.origin}/wiki/x/{pages['pump']}")
    confluence.edit(pages["pump"], "<p>Ten litres.</p>")
    confluence.pages[pages["leave"]]["status"] = "trashed"
    confluence.take_requests()
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.removed, run.counts.unchanged) == (1, 1, 3)
    fetched = [one for one in confluence.take_requests() if one.split()[1].endswith(pages["pump"])]
    assert len(fetched) == 1


@pytest.mark.usefixtures("pages")
def test_spaces_and_days_are_chosen(confluence: Confluence, pages: dict[str, str]) -> None:
    listing = open_source(confluence, spaces=["HR"]).list(None, frozenset())
    assert [entry.key for entry in listing.entries] == ["HR/Leave"]
    confluence.edit(pages["blog"], "<p>New</p>")
    march = Period(since=dt.date(2024, 3, 5))
    listing = open_source(confluence, period=march).list(None, frozenset())
    assert [entry.key for entry in listing.entries] == ["ENG/News"]


@pytest.mark.usefixtures("pages")
def test_long_listing_goes_on(confluence: Confluence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    reader, resume, steps = open_source(confluence), None, 0
    while (listing := reader.list(resume, frozenset())).resume:
        resume, steps = listing.resume, steps + 1
    assert (len(listing.entries), steps) == (5, 6)


@pytest.mark.usefixtures("pages")
def test_limit_of_requests_is_waited_out_or_pauses_the_source(confluence: Confluence) -> None:
    reader = open_source(confluence)
    confluence.refusals = [Reply({}, 429, {"Retry-After": "0"})]
    assert len(reader.list(None, frozenset()).entries) == 5
    confluence.refusals = [Reply({}, 429, {"Retry-After": "60"})]
    with pytest.raises(HeadwaterError, match="limit of requests"):
        reader.list(None, frozenset())


@pytest.mark.usefixtures("pages")
def test_check_says_what_to_do(confluence: Confluence) -> None:
    open_source(confluence).check()
    with pytest.raises(UnprocessableContent, match="Cloud needs your e-mail address"):
        open_source(confluence, "wrong-token").check()
    with pytest.raises(UnprocessableContent, match="can't see the spaces OPS"):
        open_source(confluence, spaces=["ENG", "OPS"]).check()
    with pytest.raises(UnprocessableContent, match="Cloud's ends with /wiki"):
        open_source(confluence, url=f"{confluence.origin}/other").check()
    with pytest.raises(UnprocessableContent, match=r"^127\.0\.0\.1 cannot be reached \(Connection refused\)"):
        open_source(confluence, url="http://127.0.0.1:9/wiki").check()


def test_page_that_is_deleted_before_it_is_fetched_fails_alone(confluence: Confluence, pages: dict[str, str]) -> None:
    reader = open_source(confluence)
    listing = reader.list(None, frozenset())
    del confluence.pages[pages["home"]]
    confluence.pages[pages["blog"]]["status"] = "trashed"
    failed = {file.key for file in reader.fetch(listing.snapshot, listing.entries) if file.error}
    assert failed == {"ENG/Home", "ENG/News"}


@pytest.mark.parametrize(("edition", "token"), EDITIONS)
def test_attachments_and_comments_are_collected_and_followed(
    edition: str, token: str, pipeline: Pipeline, confluence: Confluence, pages: dict[str, str]
) -> None:
    file_id = confluence.attach(pages["pump"], "spare parts.md", b"# Seals\n\nNumber 7.", "text/markdown")
    confluence.attach(pages["pump"], "photo.png", b"\x89PNG", "image/png")
    confluence.attach(pages["leave"], "form.txt", b"Form", "text/plain")
    for number in range(3):
        confluence.comment(pages["pump"], f"<p>Remark {number}</p>", author="Bob <b>")
    options = {"edition": edition, "comments": True}
    source = pipeline.add_source(f"{confluence.origin}/wiki", token, kind="confluence", **options)
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 7)
    key = "ENG/Home/Pump & valve"
    assert {f"{key}/spare parts.md", "HR/Leave/form.txt"} < {*pipeline.live_keys()}
    text = dict(pipeline.rows("select key, text from documents"))
    assert "## Comments" in text[key]
    assert [text[key].count(f"Remark {number}") for number in range(3)] == [1, 1, 1]
    assert "Bob <b>, 2024-02-03" in text[key].replace("\\", "")
    confluence.attach(pages["pump"], "spare parts.md", b"# Seals\n\nNumber 8.", "text/markdown")
    confluence.comments["9000"]["version"]["number"] = 2
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.unchanged) == (2, 5)
    del confluence.files[file_id]
    confluence.comments.clear()
    run = pipeline.collect(source)
    assert (run.counts.removed, run.counts.changed) == (1, 1)
    assert "Comments" not in dict(pipeline.rows("select key, text from documents where deleted_at is null"))[key]


def test_storage_of_attachments_gets_no_token(confluence: Confluence, pages: dict[str, str]) -> None:
    confluence.attach(pages["home"], "a.txt", b"Elsewhere", "text/plain")
    with running(Confluence()) as storage:
        seen: list[str | None] = []

        def answer(request: Any) -> Reply:
            seen.append(request.headers.get("authorization"))
            return Reply(b"Elsewhere", headers={"Content-Type": "text/plain"})

        storage.answer = answer  # type: ignore[method-assign]
        confluence.storage = storage.origin
        reader = open_source(confluence)
        listing = reader.list(None, frozenset())
        files = {file.key: file for file in reader.fetch(listing.snapshot, listing.entries)}
        assert (files["ENG/Home/a.txt"].content, seen) == (b"Elsewhere", [None])


def test_large_attachment_is_skipped_and_a_deleted_one_fails_alone(
    confluence: Confluence, pages: dict[str, str]
) -> None:
    large = confluence.attach(pages["home"], "large.pdf", b"x", "application/pdf")
    confluence.files[large]["extensions"]["fileSize"] = 10**12
    gone = confluence.attach(pages["home"], "gone.txt", b"x", "text/plain")
    reader = open_source(confluence)
    listing = reader.list(None, frozenset())
    assert [key for key, _ in listing.skipped] == ["ENG/Home/large.pdf"]
    del confluence.files[gone]
    failed = {file.key for file in reader.fetch(listing.snapshot, listing.entries) if file.error}
    assert failed == {"ENG/Home/gone.txt"}


def test_cycle_of_parents_ends(confluence: Confluence) -> None:
    first = confluence.add("One")
    confluence.pages[first]["parent"] = confluence.add("Two", parent=first)
    listing = open_source(confluence).list(None, frozenset())
    assert {entry.key for entry in listing.entries} == {"One/Two", "Two/One"}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"results": {}},
        {"results": [None, 7, {"id": "../1", "version": {"number": 1}}, {"id": "5", "version": {"number": "1"}}]},
        {"results": [], "_links": {"next": "/wiki/api/v2/spaces?cursor=same"}},
    ],
)
def test_hostile_answers_end_the_listing(confluence: Confluence, body: Any) -> None:
    usual = confluence.answer

    def answer(request: Any) -> Reply:
        return usual(request) if request.path.endswith("/spaces") else Reply(body)

    confluence.answer = answer  # type: ignore[method-assign]
    assert open_source(confluence).list(None, frozenset()).entries == []
