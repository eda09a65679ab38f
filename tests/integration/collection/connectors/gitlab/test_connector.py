"""GitLab on loopback: threads with their comments, wikis, incrementally, in steps, and when GitLab refuses."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from functions.collection.connectors import thread_walk
from functions.collection.connectors.gitlab import connector
from headwater.connectors import Period
from headwater.errors import PermanentError, UnprocessableContent, UpstreamError
from tests.fakes.api_server import Reply, Request, running
from tests.fakes.gitlab import GitLab
from tests.harness.source_copy import SourceCopy

PROJECT = "acme/docs/handbook"
TOKEN = "glpat-" + "a" * 20
ALL = ["issues/1", "issues/2", "merge_requests/1", "releases/v1", "wiki/guide/start", "wiki/home"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitLab]:
    monkeypatch.setattr(connector, "DELAY_S", 0.0)
    with running(GitLab()) as server:
        server.project(PROJECT)
        server.thread(PROJECT, "issues", 1, title="Pump leaks", notes=("Tighten it.", {"body": "x", "system": True}))
        server.thread(PROJECT, "issues", 2, labels=["docs"], state="closed")
        line = {"body": "Name it.", "position": {"new_path": "src/a.py"}}
        server.thread(PROJECT, "merge_requests", 1, state="merged", notes=(line,))
        link = f"{server.origin}/{PROJECT}/-/releases/v1"
        server.releases[PROJECT] = [
            {"tag_name": "v1", "name": "One", "description": "Fixes.", "_links": {"self": link}}
        ]
        server.wikis[PROJECT] = [
            {"slug": "home", "title": "Home", "content": "Start here.", "format": "markdown"},
            {"slug": "guide/start", "title": "Start", "content": "Start\n=====", "format": "asciidoc"},
        ]
        yield server


def copy_of(server: GitLab, path: str = PROJECT, token: str | None = None, **config: Any) -> SourceCopy:
    return SourceCopy("gitlab", f"{server.origin}/{path}", token, **config)


def test_threads_releases_and_wiki_pages_are_collected(server: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    server.page_size = 1
    copy = copy_of(server)
    copy.collect()
    assert (copy.keys, copy.steps > 4) == (ALL, True)
    text = copy.text("issues/1")
    assert f"## [bob]({server.origin}/{PROJECT}/-/issues/1#note_1), 2024-01-02 00:00\n\nTighten it." in text
    assert text.count("\n## ") == 1  # without GitLab's own note
    assert "[bob on src/a.py](" in copy.text("merge_requests/1")
    page = copy.files["wiki/guide/start"]
    assert (page.media_type, page.url) == ("text/asciidoc", f"{server.origin}/{PROJECT}/-/wikis/guide/start")


def test_unchanged_project_costs_conditional_requests(server: GitLab) -> None:
    copy = copy_of(server)
    for _ in range(2):
        copy.collect()
    server.take_requests()
    assert copy.collect() == set()
    assert server.take_statuses() == [200, 304, 304, 304, 304]
    server.thread(PROJECT, "issues", 2, description="New words.")
    assert (copy.collect(), "New words." in copy.text("issues/2"), copy.keys) == ({"issues/2"}, True, ALL)


def test_what_is_deleted_is_removed(server: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copy_of(server)
    copy.collect()
    del server.threads[PROJECT, "issues", 1]
    server.wikis[PROJECT].pop()
    copy.collect()
    assert sorted(set(ALL) - set(copy.keys)) == ["wiki/guide/start"]
    monkeypatch.setattr(thread_walk, "COMPLETE_EVERY_S", 0.0)
    copy.collect()
    assert "issues/1" not in copy.keys


def test_entry_that_the_server_describes_wrongly_is_skipped(server: GitLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_walk, "COMPLETE_EVERY_S", 0.0)
    copy = copy_of(server)
    copy.collect()
    server.thread(PROJECT, "issues", 2, title=None)
    server.releases[PROJECT] = [{"tag_name": "v1", "name": 5}, {"tag_name": "v2"}]
    server.wikis[PROJECT].append({"slug": "odd", "content": ["no", "text"]})
    copy.collect()
    listing, reasons = copy.listing, dict(copy.listing.skipped)
    assert sorted(reasons) == ["issues/2", "releases/v1", "wiki/odd"]
    assert all("describes it wrongly" in reason for reason in reasons.values())
    assert (listing.complete, listing.removed) == (False, [])
    assert copy.keys == sorted([*ALL, "releases/v2"])


def test_projects_of_a_group_and_its_subgroups(server: GitLab) -> None:
    server.page_size = 1
    for path in ("acme/site", "acme/archive/old", "acme/fork"):
        server.project(path, **({"forked_from_project": {"id": 1}} if path == "acme/fork" else {}))
        server.thread(path, "issues", 1)
    copy = copy_of(server, "groups/acme", exclude=["archive/**"], state="open", releases=False, wikis=False)
    copy.collect()
    assert copy.keys == ["docs/handbook/issues/1", "site/issues/1"]
    again = copy_of(server, "acme")
    files = list(again.reader.fetch("", copy.listing.entries))
    assert [file.content for file in files] == [copy.files[file.key].content for file in files]


def test_list_that_the_token_may_not_read_is_skipped(server: GitLab) -> None:
    del server.wikis[PROJECT]
    copy = copy_of(server)
    copy.collect()
    assert (copy.keys, [key for key, _ in copy.listing.skipped]) == (ALL[:4], ["wiki"])


def test_period_lists_its_days_only(server: GitLab) -> None:
    server.thread(PROJECT, "issues", 3, updated_at="2020-05-05T23:59:59.000Z")
    copy = copy_of(server)
    day = dt.date(2020, 5, 5)
    listing = copy.list_period(Period(day, day))
    assert [entry.key for entry in listing.entries] == ["issues/3"]
    assert (listing.complete, listing.removed) == (False, [])


def test_limit_asks_for_a_pause(server: GitLab) -> None:
    server.refusals = [Reply({"message": "Retry later"}, 429, {"Retry-After": "77"})]
    with pytest.raises(UpstreamError) as raised:
        copy_of(server).collect()
    assert raised.value.retry_after_s == 77


def test_expired_key_of_a_page_begins_the_list_again(server: GitLab) -> None:
    server.page_size = 1
    answer = server.answer
    refused: list[str] = []

    def expire(request: Request) -> Reply:
        if request.query.get("page") == "2" and not refused:
            refused.append(request.path)
            return Reply({"error": "cursor is invalid"}, 400)
        return answer(request)

    server.answer = expire  # type: ignore[method-assign]
    copy = copy_of(server)
    copy.collect()
    assert (copy.keys, len(refused)) == (ALL, 1)


def test_page_on_another_server_is_refused(server: GitLab) -> None:
    elsewhere = {"Link": '<http://evil.example/next>; rel="next"'}
    server.refusals = [Reply(server.projects[PROJECT]), Reply([], headers=elsewhere)]
    with pytest.raises(PermanentError, match="on another server"):
        copy_of(server, token=TOKEN).collect()


@pytest.mark.parametrize(
    ("path", "token", "reason"),
    [("acme/nothing", None, "GitLab has no acme/nothing"), (PROJECT, "glpat-wrongwrong", "Check the token")],
)
def test_check_tells_what_is_wrong(path: str, token: str | None, reason: str, server: GitLab) -> None:
    server.token = TOKEN if token else ""
    with pytest.raises(UnprocessableContent, match=reason):
        copy_of(server, path, token).reader.check()
