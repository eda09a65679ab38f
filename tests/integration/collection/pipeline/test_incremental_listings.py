"""Listings that are windows or increments: missing documents stay, and no entry is lost between cursors."""

from functools import partial

import pytest

from functions.collection.pipeline.retry_failed import retry_run
from functions.collection.runs.end import cancel_run
from functions.collection.runs.start import start_run
from functions.collection.sources import sources
from functions.collection.sources.sources import NewSource, Source, SourceChanges
from tests.fakes.feed import Feed, FeedOpener
from tests.harness.collection_app import CollectionClient
from tests.harness.dying_workers import Interrupted, Killed, die_everywhere
from tests.harness.pipeline import Pipeline


@pytest.fixture
def feed(pipeline: Pipeline) -> Feed:
    feed = Feed()
    pipeline.opener = FeedOpener(pipeline.settings, feed)
    return feed


@pytest.fixture
def source(pipeline: Pipeline) -> Source:
    new = NewSource("feed", "news", {"url": "https://news.example/feed"})
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return sources.create_source(tx, pipeline.workspace_id, new, pipeline.settings)


def stored_cursor(pipeline: Pipeline) -> str | None:
    [(cursor,)] = pipeline.rows("select cursor ->> 'value' from sources")
    return None if cursor is None else str(cursor)


def change(pipeline: Pipeline, source: Source, changes: SourceChanges) -> None:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        sources.change_source(tx, pipeline.workspace_id, source.id, changes, settings=pipeline.settings)


def test_documents_that_leave_the_window_stay(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md", "2.md")
    pipeline.collect(source)
    feed.publish("3.md")
    run = pipeline.collect(source)
    assert (run.state, run.counts.listed, run.counts.added, run.counts.removed) == ("succeeded", 1, 1, 0)
    assert pipeline.live_keys() == ["1.md", "2.md", "3.md"]


def test_each_listing_gets_the_cursor_of_the_one_before(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    for count in (2, 0, 1):
        feed.publish(*(f"{len(feed.posts) + n}.md" for n in range(count)))
        pipeline.collect(source)
    assert feed.cursors == [None, "2", "2"]
    assert stored_cursor(pipeline) == "3"


def test_only_documents_that_the_listing_names_are_removed(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md", "2.md", "3.md")
    pipeline.collect(source)
    feed.removed = ["2.md", "unknown.md"]
    assert pipeline.collect(source).counts.removed == 1
    assert pipeline.live_keys() == ["1.md", "3.md"]


def test_withheld_removals_wait_while_increments_do_not_mention_them(
    pipeline: Pipeline, feed: Feed, source: Source
) -> None:
    keys = [f"{n:02}.md" for n in range(30)]
    feed.publish(*keys)
    pipeline.collect(source)
    feed.removed = keys[:20]
    assert (pipeline.collect(source).state, len(pipeline.live_keys())) == ("partial", 30)
    feed.removed = []
    pipeline.collect(source)
    assert pipeline.rows("select pending_removals from sources") == [(keys[:20],)]
    feed.removed, feed.posts = [keys[1]], [*feed.posts, keys[0]]  # one is listed again, one is removed for sure
    pipeline.collect(source)
    assert pipeline.rows("select pending_removals from sources") == [(keys[2:20],)]


def test_workers_that_die_lose_and_skip_no_entry(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    for posts in (["1.md", "2.md"], ["3.md"]):
        feed.publish(*posts)
        pipeline.start(source)
        die_everywhere(pipeline)
    assert pipeline.live_keys() == ["1.md", "2.md", "3.md"]
    assert set(feed.cursors) == {None, "2"}
    assert stored_cursor(pipeline) == "3"


def test_listing_that_is_not_committed_leaves_the_cursor(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md")
    pipeline.collect(source)
    feed.publish("2.md")
    pipeline.start(source)

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        pipeline.step("collection", partial(Interrupted, point="apply", interrupt=die))
    assert pipeline.rows("select cursor from runs where state = 'running'") == [(None,)]
    assert stored_cursor(pipeline) == "1"


def test_cursor_waits_for_entries_that_could_not_be_fetched(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md", "2.md")
    feed.unreachable = {"2.md"}
    assert pipeline.collect(source).state == "partial"
    assert stored_cursor(pipeline) is None
    feed.unreachable = set()
    run = pipeline.collect(source)
    assert (run.state, run.counts.added, run.counts.unchanged) == ("succeeded", 1, 1)
    assert (pipeline.live_keys(), stored_cursor(pipeline)) == (["1.md", "2.md"], "2")


def test_retry_of_the_failed_entries_moves_the_cursor(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md", "2.md")
    feed.unreachable = {"2.md"}
    failed = pipeline.collect(source)
    feed.unreachable = set()
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        retry_run(tx, pipeline.workspace_id, failed.id, pipeline.settings)
    pipeline.drain()
    assert (pipeline.live_keys(), stored_cursor(pipeline)) == (["1.md", "2.md"], "2")


def test_files_that_cannot_be_parsed_do_not_hold_up_the_cursor(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.png")
    run = pipeline.collect(source)
    assert run.state == "partial"
    assert "no installed parser reads image/png" in run.failures[0].reason
    assert stored_cursor(pipeline) == "1"


def test_cancelled_run_leaves_the_cursor(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md")
    run_id = pipeline.start(source)
    pipeline.step("collection")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        cancel_run(tx, run_id)
    assert stored_cursor(pipeline) is None
    pipeline.collect(source)
    assert pipeline.live_keys() == ["1.md"]


def test_dry_run_leaves_the_cursor(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        start_run(tx, pipeline.workspace_id, source.id, "api", dry_run=True)
    pipeline.drain()
    assert (pipeline.live_keys(), stored_cursor(pipeline)) == ([], None)


def test_changed_config_resets_the_cursor_and_an_equal_one_does_not(
    pipeline: Pipeline, feed: Feed, source: Source
) -> None:
    feed.publish("1.md")
    pipeline.collect(source)
    change(pipeline, source, SourceChanges(config={"url": "https://news.example/feed"}, token=None))
    assert stored_cursor(pipeline) == "1"
    change(pipeline, source, SourceChanges(config={"url": "https://news.example/feed", "tag": "python"}))
    assert stored_cursor(pipeline) is None


def test_newer_parser_lists_from_the_start(pipeline: Pipeline, feed: Feed, source: Source) -> None:
    feed.publish("1.md")
    pipeline.collect(source)
    pipeline.rows("""update sources set cursor = jsonb_set(cursor, '{versions}', '".0.1"') returning 1""")
    pipeline.rows("update documents set fingerprint = replace(fingerprint, '.4.2', '.0.2') returning 1")
    run = pipeline.collect(source)
    assert (feed.cursors, run.counts.changed) == ([None, None], 1)
    assert pipeline.rows("select fingerprint from documents") == [("1.md-v1.4.2",)]


def test_deleting_an_upload_lists_from_the_start(
    pipeline: Pipeline, client: CollectionClient, feed: Feed, source: Source
) -> None:
    added = client.put(f"/api/sources/{source.id}/documents", {"key": "1.md", "text": "Uploaded."})
    pipeline.drain()
    feed.publish("1.md", "2.md")
    pipeline.collect(source)
    assert pipeline.rows("select held from documents order by key") == [("added",), (None,)]
    assert stored_cursor(pipeline) == "2"
    client.delete(f"/api/documents/{added['document_id']}")
    pipeline.drain()
    assert pipeline.collect(source).counts.added == 1
    assert feed.cursors == [None, None]
    assert pipeline.rows("select key, held from documents order by key") == [("1.md", None), ("2.md", None)]
