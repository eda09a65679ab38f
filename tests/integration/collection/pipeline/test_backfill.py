"""Backfills: everything again, or a range of dates, as runs that can be cancelled and go on."""

import datetime as dt
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import pytest

from functions.collection.pipeline.retry_failed import retry_run
from functions.collection.runs.end import cancel_run
from functions.collection.runs.queued import start_or_queue_run
from functions.collection.runs.read import Run
from functions.collection.runs.start import start_run
from functions.collection.sources import sources
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import NewSource, Source
from headwater.connectors import Connector, Entry, Fetched, Listing, Period
from tests.fakes.feed import Feed, FeedOpener
from tests.harness.collection_app import CollectionClient
from tests.harness.pipeline import Pipeline

FEBRUARY = Period(dt.date(2024, 2, 1), dt.date(2024, 2, 29))


class DatedFeed(Feed):
    """Posts are named by their day. Lists those of the period, two in a step; else what is new."""

    period: Period | None = None

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        if self.period is None:
            return super().list(cursor, known)
        self.cursors.append(cursor)
        if cursor is None:
            return Listing("", [], resume="2")
        wanted = [post for post in self.posts if self.period.has(dt.datetime.fromisoformat(post[:10]))]
        return Listing("period", [Entry(post, f"{post}-v1") for post in wanted], removed=self.posts, cursor="wrong")

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        self.fetched = [*getattr(self, "fetched", []), *(entry.key for entry in entries)]
        return super().fetch(snapshot, entries)


class DatedOpener(FeedOpener):
    """Opens the feed for the period of the run."""

    def open(self, source: Credentials) -> Feed:
        assert isinstance(self.feed, DatedFeed)
        self.feed.period = source.period
        return self.feed


@pytest.fixture
def feed(pipeline: Pipeline) -> DatedFeed:
    feed = DatedFeed()
    pipeline.opener = DatedOpener(pipeline.settings, feed)
    return feed


@pytest.fixture
def source(pipeline: Pipeline) -> Source:
    new = NewSource("feed", "news", {"url": "https://news.example/feed"})
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        return sources.create_source(tx, pipeline.workspace_id, new, pipeline.settings)


def backfill(pipeline: Pipeline, source: Source, period: Period | None, *, everything: bool = False) -> Run:
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        options = {"everything": everything}
        run_id, _ = start_run(tx, pipeline.workspace_id, source.id, "api", **options, period=period)  # type: ignore[arg-type]
    pipeline.drain()
    return pipeline.read(run_id)


def test_period_collects_its_days_only_and_leaves_documents_and_cursor(
    pipeline: Pipeline, feed: DatedFeed, source: Source
) -> None:
    feed.publish("2024-01-31.md", "2024-03-01.md")
    pipeline.collect(source)
    feed.posts = ["2024-01-31.md", "2024-02-01.md", "2024-02-29.md", "2024-03-01.md"]
    run = backfill(pipeline, source, FEBRUARY)
    assert (run.state, run.counts.listed, run.counts.added, run.counts.removed) == ("succeeded", 2, 2, 0)
    assert (run.since, run.until, run.everything) == (FEBRUARY.since, FEBRUARY.until, False)
    assert pipeline.live_keys() == feed.posts
    assert pipeline.rows("select cursor ->> 'value' from sources") == [("2",)]
    assert feed.cursors == [None, None, "2"]
    assert backfill(pipeline, source, FEBRUARY).counts.unchanged == 2


def test_everything_of_a_period_fetches_unchanged_documents_too(
    pipeline: Pipeline, feed: DatedFeed, source: Source
) -> None:
    feed.publish("2024-01-31.md", "2024-02-01.md")
    pipeline.collect(source)
    feed.fetched = []
    run = backfill(pipeline, source, FEBRUARY, everything=True)
    assert (run.everything, feed.fetched, run.counts.embedded) == (True, ["2024-02-01.md"], 0)


def test_cancelled_backfill_goes_on_with_what_it_had_not_fetched(
    pipeline: Pipeline, feed: DatedFeed, source: Source
) -> None:
    posts = [f"2024-02-01 {number:04}.md" for number in range(2 * Connector.max_batch)]
    feed.publish(*posts)
    pipeline.collect(source)
    feed.fetched = []
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        run_id, _ = start_run(tx, pipeline.workspace_id, source.id, "api", everything=True, period=FEBRUARY)
    for _ in range(3):  # two steps list, one fetches
        pipeline.step("collection")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        assert cancel_run(tx, run_id).state == "cancelled"
    first = [*feed.fetched]
    assert 0 < len(first) < len(posts)
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        continued = retry_run(tx, pipeline.workspace_id, run_id, pipeline.settings)
    pipeline.drain()
    assert pipeline.read(continued).state == "succeeded"
    assert feed.fetched == posts
    assert pipeline.rows("select cursor ->> 'value' from sources") == [(str(len(posts)),)]


def test_report_of_new_documents_waits_behind_the_backfill_of_a_period(
    pipeline: Pipeline, feed: DatedFeed, source: Source
) -> None:
    feed.publish("2024-03-01.md")
    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        start_run(tx, pipeline.workspace_id, source.id, "api", period=FEBRUARY)
        start_or_queue_run(tx, pipeline.workspace_id, source.id, "webhook")
    pipeline.drain()
    assert pipeline.live_keys() == ["2024-03-01.md"]


def test_api_says_why_a_source_has_no_backfill_by_date(pipeline: Pipeline, client: CollectionClient) -> None:
    path = f"/api/sources/{pipeline.add_source('https://git.example/docs').id}/collect"
    assert "after" in client.post(f"{path}?since=2024-02-02&until=2024-02-01", status=422)["detail"]
    assert "date" in client.post(f"{path}?since=yesterday", status=422)["detail"].lower()
    assert "can't be collected by date" in client.post(f"{path}?since=2024-02-02", status=422)["detail"]
