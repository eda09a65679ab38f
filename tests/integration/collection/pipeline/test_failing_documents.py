"""Documents that can't be read: their error, the time of their text, and how each run repeats and retries them."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from functions.collection.connectors.registry import SourceReader
from functions.collection.pipeline.retry_failed import retry_run
from functions.collection.runs.read import Run
from functions.collection.runs.start import start_run
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from functions.collection.sources.sources import Source
from headwater.connectors import Entry, Fetched, Listing
from headwater.errors import PermanentError
from tests.harness.collection_app import CollectionClient
from tests.harness.databases import FreshDatabase
from tests.harness.pipeline import Pipeline, Repository, running_pipeline

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

LAMP = "# Lamp\n\nThe lamp is green.\n"
BINARY = b"\0\0\0"
NUL = "looks like a binary file: NUL byte at offset 0"


def listed(client: CollectionClient, query: str = "") -> dict[str, Any]:
    return {document["key"]: document for document in client.get(f"/api/documents{query}")["documents"]}


def failing(client: CollectionClient) -> int:
    [source] = client.get("/api/sources")["sources"]
    return int(source["failing"])


def outcome(run: Run) -> tuple[str, int, int, int, list[str]]:
    counts = run.counts
    return run.state, counts.unchanged, counts.failed, counts.still_failing, [one.reason for one in run.failures]


@needs_git
def test_unreadable_document_keeps_its_text_and_time_and_every_run_repeats_its_error(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"lamp.md": LAMP, "other.md": "# Other\n\nText.\n"})
    assert pipeline.collect(source).state == "succeeded"
    before = listed(client)["lamp.md"]
    assert (before["error"], failing(client)) == (None, 0)

    repository.write({"lamp.md": BINARY, "new.md": BINARY + b"\n"})
    assert outcome(pipeline.collect(source)) == ("partial", 1, 2, 0, [NUL, NUL])
    broken = listed(client)["lamp.md"]
    assert (broken["error"]["reason"], broken["fetched_at"]) == (NUL, before["fetched_at"])
    assert broken["error"]["since"] > before["fetched_at"]
    document = client.get(f"/api/documents/{broken['id']}")
    assert (document["text"], document["error"]) == (LAMP, broken["error"])
    new = client.get(f"/api/documents/{listed(client)['new.md']['id']}")
    assert (new["text"], new["fetched_at"], new["error"]["reason"]) == ("", None, NUL)

    for _ in range(2):  # nothing has changed in the source, or something else has
        run = pipeline.collect(source)
        assert (*outcome(run)[:1], *outcome(run)[2:]) == ("partial", 2, 2, [NUL, NUL])
        assert run.counts.listed == run.counts.unchanged + run.counts.changed + run.counts.failed == 3
        assert listed(client, "?failing=true") == {key: listed(client)[key] for key in ("lamp.md", "new.md")}
        assert listed(client)["lamp.md"] == broken
        assert failing(client) == 2
        repository.write({"other.md": f"# Other\n\n{run.id}\n"})

    with pipeline.database.transaction(pipeline.workspace_id) as tx:
        retry_id = retry_run(tx, pipeline.workspace_id, run.id, pipeline.settings)
    pipeline.drain()
    assert outcome(pipeline.read(retry_id)) == ("partial", 0, 2, 0, [NUL, NUL])

    repository.write({"lamp.md": "# Lamp\n\nThe lamp is red.\n", "new.md": None})
    run = pipeline.collect(source)
    assert (run.state, run.counts.changed, run.counts.removed, run.counts.failed) == ("succeeded", 2, 1, 0)
    healthy = listed(client)["lamp.md"]
    assert (healthy["error"], failing(client), listed(client, "?failing=true")) == (None, 0, {})
    assert healthy["fetched_at"] > broken["error"]["since"]


@needs_git
def test_scheduled_runs_retry_a_document_that_may_pass_after_waits_that_double(
    database: FreshDatabase, repository: Repository
) -> None:
    """The limit is raised while the file stays as it is: the next attempt that is due stores it."""

    def collect(pipeline: Pipeline) -> tuple[Run, bool]:
        """Collect as the schedule does. Returns the run, and whether it has fetched the document."""
        with pipeline.database.transaction(pipeline.workspace_id) as tx:
            run_id, _ = start_run(tx, pipeline.workspace_id, source.id, "schedule")
        pipeline.drain()
        steps = pipeline.rows("select kind from steps where run_id = :r", r=run_id)
        return pipeline.read(run_id), ("fetch",) in steps

    def age(days: float) -> None:
        strict.rows(f"update documents set failed_at = now() - interval '1 d' * {days}, retry_at = now() returning key")

    with running_pipeline(database, max_file_bytes=100) as strict:
        source = strict.add_source(repository.url)
        repository.write({"long.md": "# Long\n\n" + "Many words. " * 20})
        assert outcome(collect(strict)[0])[:4] == ("partial", 0, 1, 0)
        for days, waits_h in ((0, 0), (0.125, 3), (9, 24)):
            age(days)
            run, has_fetched = collect(strict)
            assert (outcome(run)[:4], has_fetched) == (("partial", 0, 1, 1), True)
            [(hours,)] = strict.rows("select extract(epoch from retry_at - now()) / 3600 from documents")
            assert abs(float(hours) - waits_h) < 0.1
        with closing((lenient := Pipeline(database)).database):
            run, has_fetched = collect(lenient)
            assert (outcome(run)[:4], has_fetched) == (("partial", 0, 1, 1), False)
            age(9)
            run, _ = collect(lenient)
            assert (run.state, run.counts.changed, run.counts.failed) == ("succeeded", 1, 0)


@needs_git
def test_failing_document_is_read_by_a_new_parser_and_keeps_its_error_when_it_moves(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": BINARY})
    pipeline.collect(source)
    pipeline.rows("update documents set fingerprint = regexp_replace(fingerprint, '\\.[0-9]+\\.', '.0.') returning key")
    run = pipeline.collect(source)
    assert (run.counts.failed, run.counts.still_failing) == (1, 0), "an earlier version of the parser had failed"
    before = listed(client)["a.md"]
    repository.write({"a.md": None, "folder/a.md": BINARY})
    run = pipeline.collect(source)
    assert (run.counts.failed, run.counts.removed, failing(client)) == (1, 0, 1)
    after = listed(client)["folder/a.md"]
    assert (after["id"], after["error"]) == (before["id"], before["error"])


class Flaky:
    """A source of two documents; `fetch` fails for those in `broken`, or as a whole with `down`."""

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}
        self.missing: set[str] = set()
        self.down = False
        self.version = "1"

    def check(self) -> None:
        """Pass."""

    def list(self, cursor: str | None, known: object) -> Listing:
        return Listing("s", [Entry("a.md", "1"), Entry("b.md", self.version)])

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        if self.down:
            raise PermanentError("The server is down.")
        for entry in entries:
            if entry.key not in self.missing:
                error = self.broken.get(entry.key)
                content = None if error else f"# {entry.key} {entry.fingerprint}".encode()
                yield Fetched(entry.key, content, "text/markdown", error=error)


class FlakyOpener(SourceOpener):
    def __init__(self, pipeline: Pipeline, reader: Flaky) -> None:
        super().__init__(pipeline.settings)
        self.reader = reader

    def open(self, source: Credentials) -> SourceReader:
        return self.reader


@pytest.fixture
def flaky(pipeline: Pipeline, repository: Repository) -> tuple[Flaky, Source]:
    reader = Flaky()
    pipeline.opener = FlakyOpener(pipeline, reader)
    return reader, pipeline.add_source(repository.url)


def break_down(reader: Flaky) -> None:
    reader.down = True


def break_one(reader: Flaky) -> None:
    reader.broken["b.md"] = "b.md: HTTP 503"


def lose_one(reader: Flaky) -> None:
    reader.missing.add("b.md")


@needs_git
@pytest.mark.parametrize("fail", [break_down, break_one, lose_one])
@pytest.mark.parametrize("is_new", [True, False])
def test_document_that_could_not_be_fetched_fails_until_it_is(
    pipeline: Pipeline,
    client: CollectionClient,
    flaky: tuple[Flaky, Source],
    fail: Callable[[Flaky], None],
    is_new: bool,
) -> None:
    reader, source = flaky
    if not is_new:
        pipeline.collect(source)
        reader.version = "2"
    fail(reader)
    expected = 2 if is_new and fail is break_down else 1
    for _ in range(2):
        run = pipeline.collect(source)
        assert (run.state, run.counts.failed, failing(client)) == ("partial", expected, expected)
    document = listed(client)["b.md"]
    assert (document["fetched_at"] is None) == is_new
    assert run.failures[-1].reason == document["error"]["reason"]
    reader.broken, reader.missing, reader.down = {}, set(), False
    if not is_new:
        reader.version = "1"  # the source is back at the version that is stored
    run = pipeline.collect(source)
    assert (run.state, run.counts.added + run.counts.changed, failing(client)) == ("succeeded", expected, 0)
    assert listed(client)["b.md"]["error"] is None


@needs_git
def test_source_shows_its_last_collect_and_a_preview_repeats_no_errors(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": "# A\n", "b.md": BINARY})
    collected = pipeline.collect(source)
    preview = pipeline.finish(client.post(f"/api/sources/{source.id}/collect?dry_run=true"))
    assert (preview.state, preview.counts.failed, preview.counts.unchanged) == ("succeeded", 0, 2)
    added = pipeline.finish(client.put(f"/api/sources/{source.id}/documents", {"key": "mine.md", "text": "Mine."}))
    [shown] = client.get("/api/sources")["sources"]
    assert shown["last_run"]["id"] == str(added.id)
    assert (shown["last_collect"]["id"], shown["last_collect"]["state"]) == (str(collected.id), "partial")
    [again] = client.get("/api/sources")["sources"]
    assert (again["documents"], again["failing"]) == (3, 1)


@needs_git
def test_warnings_of_the_parser_are_part_of_the_document(
    pipeline: Pipeline, client: CollectionClient, repository: Repository
) -> None:
    source = pipeline.add_source(repository.url)
    repository.write({"a.md": "# A\n\n" + "[a](b.md) " * 5_001, "b.md": "# B\n"})
    pipeline.collect(source)
    [warning] = listed(client)["a.md"]["warnings"]
    assert warning.startswith("only the first 5,000 links were kept; the limits are 5,000 links")
    assert listed(client)["b.md"]["warnings"] == []
    repository.write({"a.md": BINARY})
    pipeline.collect(source)
    assert listed(client)["a.md"]["warnings"] == [warning], "they belong to the text, which is still the same"
    repository.write({"a.md": "# A\n"})
    pipeline.collect(source)
    assert listed(client)["a.md"]["warnings"] == []
