"""Collecting WordPress sites: paging, changes, deletions, passwords, odd servers, dying workers."""

import datetime as dt
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from functions.collection.connectors.registry import SourceReader, kind_for_new_source
from functions.collection.connectors.wordpress import api, connector
from functions.collection.runs.start import start_run
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.connectors import Period
from headwater.errors import HeadwaterError, UnprocessableContent
from tests.fakes.web_site import Page, moved
from tests.fakes.wordpress import WordPress, wordpress
from tests.harness.databases import FreshDatabase
from tests.harness.dying_workers import die_everywhere
from tests.harness.pipeline import Pipeline, running_pipeline
from tests.harness.support import WORKSPACE


@pytest.fixture
def pipeline(database: FreshDatabase) -> Iterator[Pipeline]:
    with running_pipeline(database, secret_key=Fernet.generate_key().decode()) as pipeline:
        yield pipeline


@pytest.fixture
def blog() -> Iterator[WordPress]:
    with wordpress() as blog:
        yield blog


def texts(pipeline: Pipeline) -> dict[str, str]:
    return dict(pipeline.rows("select key, text from documents where deleted_at is null and error is null"))


def test_posts_and_pages_are_collected_over_several_pages(pipeline: Pipeline, blog: WordPress) -> None:
    for number in range(1, 131):
        blog.publish(number, f"Text {number}")
    blog.publish(500, "A page", kind="pages")
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    run = pipeline.collect(source)
    assert (run.state, run.counts.added) == ("succeeded", 131)
    [row] = pipeline.rows("select title, text, url, front_matter from documents where key = '2024/post-7'")
    assert row[:3] == ("Post \u2013 7", "Text 7", f"{blog.site.origin}/2024/post-7/")
    assert row[3] | {"author": "Ann", "keywords": "Pumps & Co, yard"} == row[3]


def test_unchanged_site_costs_a_request_for_each_type(pipeline: Pipeline, blog: WordPress) -> None:
    for number in (1, 2):
        blog.publish(number, f"Text {number}")
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    pipeline.collect(source)
    blog.take_routes()
    run = pipeline.collect(source)
    assert (run.state, run.counts.unchanged, run.counts.embedded) == ("succeeded", 2, 0)
    newest = "?per_page=1&orderby=modified&order=desc"
    assert blog.take_routes() == [f"posts{newest}", f"pages{newest}"]


def test_changed_posts_are_fetched_and_deleted_ones_removed(pipeline: Pipeline, blog: WordPress) -> None:
    for number in (1, 2, 3):
        blog.publish(number, f"Text {number}")
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    pipeline.collect(source)
    blog.take_routes()
    blog.publish(2, "New text", at="2024-05-07T09:00:00")
    run = pipeline.collect(source)
    assert (run.counts.changed, run.counts.unchanged, run.counts.removed) == (1, 2, 0)
    assert any("modified_after=2024-05-06T08%3A59%3A59Z" in route for route in blog.take_routes())
    del blog.posts["posts"][1]
    blog.publish(4, "Text 4", at="2024-05-08T09:00:00")
    run = pipeline.collect(source)
    assert (run.counts.added, run.counts.removed) == (1, 1)
    assert texts(pipeline) == {"2024/post-2": "New text", "2024/post-3": "Text 3", "2024/post-4": "Text 4"}


def test_backfill_collects_posts_that_were_changed_in_a_period(pipeline: Pipeline, blog: WordPress) -> None:
    for number in (1, 2, 3):
        blog.publish(number, f"Text {number}", at=f"2024-05-0{number}T23:59:59")
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    day = dt.date(2024, 5, 2)
    with pipeline.database.transaction(WORKSPACE) as tx:
        run_id, _ = start_run(tx, WORKSPACE, source.id, "api", period=Period(day, day))
    pipeline.drain()
    run = pipeline.read(run_id)
    assert (run.state, run.counts.added, run.counts.removed) == ("succeeded", 1, 0)
    assert texts(pipeline) == {"2024/post-2": "Text 2"}
    assert pipeline.collect(source).counts.added == 2


def test_application_password_is_sent_to_the_site_only(pipeline: Pipeline, blog: WordPress) -> None:
    blog.publish(1, "Text 1")
    blog.password = "ann:abcd efgh ijkl"
    with pytest.raises(UnprocessableContent, match="Create an application password"):
        check(pipeline, blog, None)
    check(pipeline, blog, blog.password)
    source = pipeline.add_source(f"{blog.site.origin}/", blog.password, kind="wordpress")
    assert pipeline.collect(source).counts.added == 1
    with wordpress() as other:
        blog.site.find = lambda path: moved(f"{other.site.origin}{path}")
        with pytest.raises(UnprocessableContent, match="Enter the address that it redirects to"):
            check(pipeline, blog, blog.password)
        assert other.site.requests == []


def test_check_says_what_is_wrong(pipeline: Pipeline, blog: WordPress) -> None:
    with pytest.raises(UnprocessableContent, match=r"no post type recipes\. It has: pages, posts\."):
        check(pipeline, blog, None, types=["posts", "recipes"])
    blog.has_permalinks = False
    check(pipeline, blog, None)
    for page in (Page("<p>A blog"), Page("{}", "application/json"), Page(status=404)):
        blog.site.find = lambda path, page=page: page  # type: ignore[misc]
        with pytest.raises(UnprocessableContent, match="has no REST API of WordPress"):
            check(pipeline, blog, None)


@pytest.mark.parametrize("body", ["[" * 100_000, "nonsense", '[{"id": "x"}]', "{}", "\xff\xfe", "[null]"])
def test_odd_answers_are_reported(body: str, pipeline: Pipeline, blog: WordPress) -> None:
    root = blog.answer("/wp-json/")
    blog.site.find = lambda path: root if path == "/wp-json/" else Page(body, "application/json")
    with pytest.raises(HeadwaterError, match="is not what WordPress's REST API sends"):
        open_source(pipeline, blog, None).list(None, frozenset())


def test_server_that_repeats_a_page_and_hidden_posts_end_the_listing(pipeline: Pipeline, blog: WordPress) -> None:
    for number in range(1, 101):
        blog.publish(number, "Text")
    blog.hidden = 1
    assert len(open_source(pipeline, blog, None).list(None, frozenset()).entries) == 100
    answer = blog.answer
    blog.site.find = lambda path: answer(path.replace("&page=2", "&page=1"))
    assert len(open_source(pipeline, blog, None).list(None, frozenset()).entries) == 100


def test_posts_with_odd_fields_are_collected(pipeline: Pipeline, blog: WordPress) -> None:
    blog.publish(1, "Text 1", link="javascript:alert(1)")
    blog.publish(2, "Text 2", link=f"{blog.site.origin}/?p=2", _embedded={"author": [None], "wp:term": "x"})
    blog.publish(3, "", content={"rendered": "", "protected": True})
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    assert pipeline.collect(source).state == "partial"
    assert len(texts(pipeline)) == 2
    [(error,)] = pipeline.rows("select error from documents where error is not null")
    assert error == "The post is protected by a password of its own."


def test_post_that_the_site_describes_wrongly_spoils_no_other(pipeline: Pipeline, blog: WordPress) -> None:
    blog.publish(1, "Text 1")
    blog.publish(2, "Text 2", link=False)
    blog.publish(3, "Text 3", title=["no", "text"])
    assert pipeline.collect(pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")).state == "partial"
    assert texts(pipeline) == {"2024/post-1": "Text 1"}
    errors = dict(pipeline.rows("select key, error from documents where error is not null"))
    assert sorted(errors) == ["2024/post-3", "posts/2"]
    assert all("describes the post wrongly" in error for error in errors.values())


def test_workers_that_die_lose_and_double_no_post(pipeline: Pipeline, blog: WordPress) -> None:
    source = pipeline.add_source(f"{blog.site.origin}/", kind="wordpress")
    for number in (1, 2, 3):
        blog.publish(number, f"Text {number}", at=f"2024-05-0{number}T09:00:00")
        if number == 3:
            del blog.posts["posts"][1]
        pipeline.start(source)
        die_everywhere(pipeline)
    assert texts(pipeline) == {"2024/post-2": "Text 2", "2024/post-3": "Text 3"}


def test_20_000_posts_are_listed_in_steps_by_workers_that_die(
    pipeline: Pipeline, blog: WordPress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    monkeypatch.setattr(api, "DELAY_S", 0.0)
    for number in range(20_000):
        blog.publish(number, "Text", at=f"2024-05-{number % 28 + 1:02}T09:00:00")
    reader, cursor, steps = open_source(pipeline, blog, None), None, 0
    while True:
        lost = reader.list(cursor, frozenset()) if steps % 20 == 7 else None  # its worker dies before it is stored
        listing = reader.list(cursor, frozenset())
        assert lost is None or lost.resume == listing.resume
        if listing.resume is None:
            break
        cursor, steps = listing.resume, steps + 1
    assert (len(listing.entries), len({entry.key for entry in listing.entries}), steps) == (20_000, 20_000, 203)


def check(pipeline: Pipeline, blog: WordPress, secret: str | None, **config: object) -> None:
    open_source(pipeline, blog, secret, **config).check()


def open_source(pipeline: Pipeline, blog: WordPress, secret: str | None, **config: object) -> SourceReader:
    normalised = kind_for_new_source("wordpress").normalise({"url": f"{blog.site.origin}/", **config})
    return SourceOpener(pipeline.settings).open(Credentials(WORKSPACE, "wordpress", normalised, secret, None))
