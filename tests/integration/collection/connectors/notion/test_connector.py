"""Collecting Notion: paging, databases, changes, trash, searches that miss pages, limits, hostile answers."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from functions.collection.connectors.notion import connector
from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.runs.start import start_run
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import Source
from headwater.config import Settings
from headwater.connectors import Period
from headwater.errors import HeadwaterError, UnprocessableContent
from tests.fakes.api_server import Reply, Request, running
from tests.fakes.notion import TOKEN, Notion, block, text
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline, running_pipeline
from tests.harness.support import WORKSPACE

EDITED = "2024-03-01T08:00:00.000Z"


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "DELAY_S", 0.0)


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode(), fetch_private=True) as pipeline:
        yield pipeline


@pytest.fixture
def notion() -> Iterator[Notion]:
    with running(Notion()) as notion:
        yield notion


@pytest.fixture
def handbook(notion: Notion) -> dict[str, str]:
    """A page with a page and a database with five rows below."""
    pages = {"root": notion.add_page("Handbook", block("paragraph", "The pump delivers nine litres."))}
    pages["child"] = notion.add_page(
        "Install/Remove",
        block("heading_1", "Steps"),
        block("paragraph", "See ", text("the handbook", href=f"/{pages['root'].replace('-', '')}")),
        parent=pages["root"],
    )
    source = notion.add_data_source("Tickets", pages["root"])
    for number in range(5):
        status = {"type": "status", "status": {"name": "Done"}}
        pages[f"row{number}"] = notion.add_page(f"Ticket {number}", parent=source, Status=status)
    return pages


def open_source(notion: Notion, token: str | None = TOKEN) -> Any:
    config = kind_for_new_source("notion").normalise({"url": notion.origin})
    settings = Settings(database_url="unused", fetch_private=True)
    return SourceOpener(settings).open(Credentials(WORKSPACE, "notion", config, token, None))


def add(pipeline: Pipeline, notion: Notion) -> Source:
    return pipeline.add_source(notion.origin, TOKEN, kind="notion")


@pytest.mark.usefixtures("handbook")
def test_pages_and_rows_are_collected_with_their_paths(pipeline: Pipeline, notion: Notion) -> None:
    run = pipeline.collect(add(pipeline, notion))
    assert (run.state, run.counts.added) == ("succeeded", 7)
    rows = [f"Handbook/Tickets/Ticket {number}" for number in range(5)]
    assert pipeline.live_keys() == ["Handbook", "Handbook/Install-Remove", *rows]
    [(title, url, front)] = pipeline.rows(
        "select title, url, front_matter from documents where key = 'Handbook/Tickets/Ticket 1'"
    )
    assert (title, url.startswith("https://www.notion.so/"), front["Status"]) == ("Ticket 1", True, "Done")
    assert pipeline.links() == [("Handbook/Install-Remove", "Handbook")]


def test_only_changed_pages_are_fetched_and_trashed_ones_removed(
    pipeline: Pipeline, notion: Notion, handbook: dict[str, str]
) -> None:
    source = add(pipeline, notion)
    pipeline.collect(source)
    notion.take_requests()
    assert pipeline.collect(source).counts.unchanged == 7
    assert not [one for one in notion.take_requests() if "/blocks/" in one]
    notion.edit(handbook["child"], EDITED, block("paragraph", "Rewritten."))
    notion.trash(handbook["row4"])
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.removed, run.counts.unchanged) == (1, 1, 5)
    assert [one for one in notion.take_requests() if "/blocks/" in one] == [
        f"GET /v1/blocks/{handbook['child']}/children 200"
    ]


def test_page_that_the_search_misses_stays_until_it_is_gone(
    pipeline: Pipeline, notion: Notion, handbook: dict[str, str]
) -> None:
    source = add(pipeline, notion)
    pipeline.collect(source)
    notion.hidden = {handbook["child"]}
    assert pipeline.collect(source).counts.removed == 0
    del notion.objects[handbook["child"]]
    assert pipeline.collect(source).counts.removed == 1


def test_renamed_parent_moves_the_pages_below_it(pipeline: Pipeline, notion: Notion, handbook: dict[str, str]) -> None:
    source = add(pipeline, notion)
    pipeline.collect(source)
    notion.objects[handbook["root"]]["properties"]["Name"]["title"] = [text("Manual")]
    notion.edit(handbook["root"], EDITED, block("paragraph", "The pump delivers nine litres."))
    run = pipeline.collect(source)
    assert (run.counts.removed, run.counts.added, run.counts.moved) == (1, 1, 6)  # the page itself has changed, too
    assert "Manual/Install-Remove" in pipeline.live_keys()


@pytest.mark.usefixtures("handbook")
def test_short_pause_is_waited_out_and_a_long_one_pauses_the_source(notion: Notion) -> None:
    reader = open_source(notion)
    notion.refusals = [Reply({}, 429, {"Retry-After": "0"})] * 2
    assert len(reader.list(None, frozenset()).entries) == 7
    notion.refusals = [Reply({}, 429, {"Retry-After": "120"})]
    with pytest.raises(HeadwaterError, match="limit of requests") as raised:
        reader.list(None, frozenset())
    assert raised.value.retry_after_s == 120  # type: ignore[attr-defined]


@pytest.mark.usefixtures("handbook")
def test_long_listing_goes_on_and_dying_workers_lose_nothing(
    pipeline: Pipeline, notion: Notion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    pipeline.start(add(pipeline, notion))
    die_everywhere(pipeline)
    assert len(pipeline.live_keys()) == 7


def test_backfill_collects_the_pages_of_some_days(pipeline: Pipeline, notion: Notion, handbook: dict[str, str]) -> None:
    source = add(pipeline, notion)
    notion.edit(handbook["row0"], EDITED)
    with pipeline.database.transaction(WORKSPACE) as tx:
        day = dt.date.fromisoformat(EDITED[:10])
        run_id, _ = start_run(tx, WORKSPACE, source.id, "api", period=Period(since=day, until=day))
    pipeline.drain()
    assert pipeline.read(run_id).counts.added == 1
    assert pipeline.live_keys() == ["Handbook/Tickets/Ticket 0"]


def test_check_says_what_to_do(notion: Notion) -> None:
    with pytest.raises(UnprocessableContent, match="Check the integration token"):
        open_source(notion, "wrong").check()
    with pytest.raises(UnprocessableContent, match="No page is shared with this integration"):
        open_source(notion).check()
    notion.add_page("Shared")
    open_source(notion).check()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe not JSON",
        b"[" * 100_000,
        [],
        {"results": "text"},
        {"results": [None, 5, {"object": "page", "id": "../../users"}, {"object": "page", "id": 7}]},
        {"results": [{"object": "page", "id": "\u0000", "last_edited_time": "x"}], "has_more": True, "next_cursor": 7},
        {"results": [], "has_more": True, "next_cursor": "the same"},
    ],
)
def test_hostile_answers_end_the_listing(notion: Notion, body: Any) -> None:
    notion.answer = lambda request: Reply(body)  # type: ignore[method-assign]
    if isinstance(body, bytes):
        with pytest.raises(HeadwaterError, match="can't be read"):
            open_source(notion).list(None, frozenset())
    else:
        assert open_source(notion).list(None, frozenset()).entries == []


def test_cycles_of_parents_and_of_blocks_end(notion: Notion) -> None:
    first = notion.add_page("One")
    second = notion.add_page("Two", parent=first)
    notion.objects[first]["parent"] = {"type": "page_id", "page_id": second}
    loop = block("toggle", "Again", children=[block("paragraph", "x")])
    notion.edit(first, EDITED, loop)
    notion.blocks[loop["id"]] = [loop]
    reader = open_source(notion)
    listing = reader.list(None, frozenset())
    assert sorted(entry.key for entry in listing.entries) == ["One/Two", "Two/One"]
    files = {file.key: file for file in reader.fetch(listing.snapshot, listing.entries)}
    assert files["Two/One"].content.decode().endswith("- Again")


def test_data_source_that_is_deleted_during_a_listing_has_the_rows_so_far(
    notion: Notion, handbook: dict[str, str]
) -> None:
    notion.hidden = {page_id for name, page_id in handbook.items() if name.startswith("row")}
    usual = notion.answer

    def answer(request: Request) -> Reply:
        is_later = request.path.startswith("/v1/data_sources/") and "start_cursor" in request.body
        return Reply({}, 404) if is_later else usual(request)

    notion.answer = answer  # type: ignore[method-assign]
    assert len(open_source(notion).list(None, frozenset()).entries) == 2 + notion.page_size


def test_huge_page_is_cut_with_a_note(notion: Notion) -> None:
    notion.page_size = 100
    notion.add_page("Long", *(block("paragraph", f"Line {number}") for number in range(connector.MAX_BLOCKS + 5)))
    reader = open_source(notion)
    listing = reader.list(None, frozenset())
    [file] = reader.fetch(listing.snapshot, listing.entries)
    text = file.content.decode()
    assert "Line 4999" in text
    assert "Line 5000" not in text
    assert text.endswith("*The page has more than 5,000 blocks: the rest is left out.*")


def test_page_that_is_deleted_before_it_is_fetched_fails_alone(notion: Notion, handbook: dict[str, str]) -> None:
    reader = open_source(notion)
    listing = reader.list(None, frozenset())
    del notion.objects[handbook["row1"]]
    notion.trash(handbook["row2"])
    failed = {file.key: file.error for file in reader.fetch(listing.snapshot, listing.entries) if file.error}
    assert failed.keys() == {"Handbook/Tickets/Ticket 1", "Handbook/Tickets/Ticket 2"}
    assert "Share the page with the integration again" in failed["Handbook/Tickets/Ticket 1"]
