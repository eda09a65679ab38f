"""GitHub on loopback: threads with their comments, incrementally, in steps, and when GitHub refuses."""

import datetime as dt
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.collection.connectors import api_client, thread_walk
from functions.collection.connectors.github import connector
from headwater.connectors import Period
from headwater.errors import PermanentError, SystemicError, UnprocessableContent, UpstreamError
from tests.fakes.api_server import Reply, Request
from tests.fakes.github import GitHub
from tests.harness.source_copy import SourceCopy

REPO = "acme/handbook"
TOKEN = "ghp_" + "a" * 36
THREADS = ["issues/1", "issues/2", "pulls/3", "releases/v1"]
ONLY_DISCUSSIONS: dict[str, Any] = {"issues": False, "pull_requests": False, "releases": False, "discussions": True}


def copy_of(server: GitHub, path: str = REPO, token: str | None = None, **config: Any) -> SourceCopy:
    return SourceCopy("github", f"{server.origin}/{path}", token, **config)


def test_threads_have_their_comments_and_reviews(server: GitHub) -> None:
    server.page_size = 2
    copy = copy_of(server)
    copy.collect()
    assert copy.keys == THREADS
    text = copy.text("issues/1")
    assert "# Pump leaks\n\n## It drips\nSince Monday." in text
    assert f"## [bob]({server.origin}/{REPO}/issues/1#issuecomment-2), 2024-01-02 00:00\n\nDone." in text
    pull = copy.text("pulls/3")
    assert "[bob on src/a.py](https://x.example/l)" in pull
    assert "[bob approved](https://x.example/r)" in pull
    assert ('labels: ["docs"]' in copy.text("issues/2"), 'state: "merged"' in pull) == (True, True)
    assert copy.files["issues/2"].url == f"{server.origin}/{REPO}/issues/2"


def test_unchanged_repository_costs_conditional_requests(server: GitHub) -> None:
    copy = copy_of(server)
    for _ in range(2):  # the second listing begins with the newest update and gets the ETag of what is newer
        copy.collect()
    server.take_requests()
    assert copy.collect() == set()
    assert server.take_statuses() == [200, 304, 304]

    server.issue(REPO, 2, body="New words.")
    assert copy.collect() == {"issues/2"}
    assert ("New words." in copy.text("issues/2"), copy.keys) == (True, THREADS)


def test_update_during_a_listing_hides_no_thread(server: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "SLICE_S", 0.0)
    server.page_size = 1
    for number in range(4, 8):
        server.issue(REPO, number)
    copy = copy_of(server)
    resume = None
    for _ in range(4):  # repository, and three pages of threads
        resume = copy.reader.list(resume, frozenset()).resume
    server.issue(REPO, 1)
    copy.cursor = resume
    copy.collect()
    assert {f"issues/{n}" for n in (1, 2, 4, 5, 6, 7)} <= set(copy.keys)


def test_period_lists_its_days_only(server: GitHub) -> None:
    server.issue(REPO, 4, updated_at="2020-05-04T23:59:59Z")
    server.issue(REPO, 5, updated_at="2020-05-05T23:59:59Z")
    server.issue(REPO, 6, updated_at="2020-05-06T00:00:00Z")
    day = dt.date(2020, 5, 5)
    listing = copy_of(server).list_period(Period(day, day))
    assert [entry.key for entry in listing.entries] == ["issues/5"]
    assert (listing.complete, listing.removed) == (False, [])


def test_threads_that_lose_their_label_are_removed(server: GitHub) -> None:
    copy = copy_of(server, labels=["Docs"], releases=False)
    copy.collect()
    assert copy.keys == ["issues/2"]
    server.issue(REPO, 1, labels=[{"name": "docs"}])
    server.issue(REPO, 2, labels=[])
    copy.collect()
    assert copy.keys == ["issues/1"]


def test_deleted_threads_are_removed_by_the_daily_complete_listing(
    server: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_of(server)
    copy.collect()
    del server.threads[REPO, 1]
    del server.releases[REPO, "v1"]  # lists without `since` are always read whole
    copy.collect()
    assert copy.keys == ["issues/1", "issues/2", "pulls/3"]
    monkeypatch.setattr(thread_walk, "COMPLETE_EVERY_S", 0.0)
    copy.collect()
    assert copy.keys == ["issues/2", "pulls/3"]


def test_repositories_of_an_owner_come_and_go(server: GitHub) -> None:
    server.page_size = 1
    for name in ("acme/site", "acme/old-archive", "acme/copy"):
        server.repository(name, fork=name == "acme/copy")
        server.issue(name, 1)
    copy = copy_of(server, "acme", exclude=["*-archive"], pull_requests=False, releases=False)
    copy.collect()
    assert copy.keys == ["handbook/issues/1", "handbook/issues/2", "site/issues/1"]
    del server.repositories["acme/site"]
    copy.collect()
    assert copy.keys == ["handbook/issues/1", "handbook/issues/2"]


def test_discussions_are_read_page_by_page(server: GitHub) -> None:
    server.token, server.page_size = TOKEN, 2
    for number in range(10, 13):
        server.discussion(REPO, number, comments=("First.", "Second.", "Third."))
    copy = copy_of(server, token=TOKEN, **ONLY_DISCUSSIONS)
    copy.collect()
    assert copy.keys == [f"discussions/{n}" for n in range(10, 13)]
    text = copy.text("discussions/11")
    assert ("[eve answered](" in text, "Third." in text) == (True, True)
    server.discussion(REPO, 10, body="Edited.")
    assert "discussions/10" in copy.collect()
    assert "Edited." in copy.text("discussions/10")


def test_readmes_of_stars_are_collected(server: GitHub) -> None:
    server.stars["octo"] = [REPO, "b/tool", "b/empty"]
    server.repository("b/tool", description="A tool.")
    server.repository("b/empty", description="Nothing but this.", topics=["pump"])
    server.readmes = {REPO: ("README.md", b"Read it."), "b/tool": ("README.rst", b"Tool\n====\n")}
    copy = copy_of(server, "octo?tab=stars")
    copy.collect()
    assert copy.keys == [REPO, "b/empty", "b/tool"]
    assert ("Nothing but this." in copy.text("b/empty"), copy.text(REPO)) == (True, "Read it.")
    assert copy.files["b/tool"].media_type == "text/x-rst"
    server.stars["octo"].remove("b/empty")
    assert (copy.collect(), copy.keys) == (set(), [REPO, "b/tool"])


def test_threads_of_a_later_run_are_requested_again(server: GitHub) -> None:
    copy = copy_of(server)
    copy.collect()
    again = copy_of(server)  # nothing of what the other has staged
    entries = [entry for entry in copy.listing.entries if entry.key != "issues/2"]
    server.threads.pop((REPO, 2))
    files = {file.key: file for file in again.reader.fetch("", copy.listing.entries)}
    assert len(entries) == 3
    assert {key for key, file in files.items() if file.error} == {"issues/2"}
    assert files["pulls/3"].content == copy.files["pulls/3"].content


LIMITS = {
    "429": Reply({"message": "slow down"}, 429, {"Retry-After": "77"}),
    "secondary": Reply({"message": "You have exceeded a secondary rate limit."}, 403, {"Retry-After": "77"}),
    "secondary without a time": Reply({"message": "You have exceeded a secondary rate limit."}, 403),
    "primary": Reply({"message": "Limit."}, 403, {"X-RateLimit-Remaining": "0"}),
    "503": Reply({"message": "Unavailable"}, 503, {"Retry-After": "77"}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_ask_for_a_pause_and_lose_nothing(name: str, server: GitHub) -> None:
    limit = LIMITS[name]
    if name == "primary":
        limit = replace(limit, headers={**limit.headers, "X-RateLimit-Reset": str(int(time.time()) + 77)})
    copy = copy_of(server)
    server.refusals = [limit]
    with pytest.raises(UpstreamError) as raised:
        copy.collect()
    assert raised.value.retry_after_s == pytest.approx(77, abs=40)
    copy.collect()
    assert copy.keys == THREADS


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        ({"type": "FORBIDDEN", "message": "Resource not accessible"}, SystemicError, "permissions"),
        ({"type": "RATE_LIMITED", "message": "API rate limit exceeded"}, UpstreamError, "limit of requests"),
        ({"message": "Something went wrong"}, UpstreamError, "Something went wrong"),
        ({"type": "undefinedField", "message": "Field 'x' doesn't exist"}, PermanentError, "doesn't exist"),
    ],
)
def test_graphql_errors_within_answers_are_told_apart(
    error: dict[str, str], kind: type[Exception], reason: str, server: GitHub
) -> None:
    server.token = TOKEN
    server.graphql_errors = [error]
    with pytest.raises(kind, match=reason):
        copy_of(server, token=TOKEN, **ONLY_DISCUSSIONS).collect()


def test_list_that_the_token_may_not_read_is_skipped(server: GitHub) -> None:
    server.token = TOKEN
    server.graphql_errors = [{"type": "FORBIDDEN", "message": "Resource not accessible"}]
    copy = copy_of(server, token=TOKEN, discussions=True)
    copy.collect()
    assert copy.keys == THREADS
    assert ([key for key, _ in copy.listing.skipped], copy.listing.complete) == (["discussions"], False)


@pytest.mark.parametrize("graphql", [False, True])
def test_expired_page_is_read_again_from_the_start(graphql: bool, server: GitHub) -> None:
    server.page_size, server.token = 1, TOKEN
    for number in range(10, 13):
        server.discussion(REPO, number)
    answer = server.answer
    refused: list[str] = []

    def expire(request: Request) -> Reply:
        is_second = request.body["variables"].get("after") == "1" if request.body else request.query.get("page") == "2"
        if is_second and bool(request.body) == graphql and not refused:
            refused.append(request.path)
            if graphql:
                return Reply({"errors": [{"type": "INVALID_CURSOR_ARGUMENTS", "message": "`1` is no valid cursor"}]})
            return Reply({"message": "The cursor has expired."}, 422)
        return answer(request)

    server.answer = expire  # type: ignore[method-assign]
    copy = copy_of(server, token=TOKEN, discussions=True)
    copy.collect()
    assert (len(copy.keys), len(refused)) == (7, 1)


HOSTILE = [
    b"<html>Sign in",
    b"[" * 100_000,
    b'["\\ud800"]',
    b'[{"number": "x"}, {"number": "y"}]',
    b'[{"number": 1, "title": null}, {"number": 2, "title": null}]',
    b"\xff\xfe",
    b"",
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_answers_in_another_form_are_refused_with_a_reason(body: bytes, server: GitHub) -> None:
    copy = copy_of(server)
    server.refusals = [Reply(server.repositories[REPO]), Reply(body)]
    with pytest.raises(UpstreamError, match="can't be read"):
        copy.collect()


def test_hostile_texts_stay_in_their_sections(server: GitHub) -> None:
    texts = ("```\nopen", "<!-- open", "---\ntitle: x\n---\n# Big", "\0" * 10, "<script>", "> " * 5_000)
    server.issue(REPO, 1, title="a\n---\nowner: me\n\u202e", comments=texts, html_url="javascript:alert(1)")
    copy = copy_of(server)
    copy.collect()
    text = copy.text("issues/1")
    assert (text.count("\n## [bob]"), "\0" in text, copy.files["issues/1"].url) == (len(texts), False, None)
    assert r'title: "a --- owner: me \\u202e"' in text


def test_endless_list_ends(server: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_walk, "MAX_PAGES", 5)
    answer = server.answer

    def loop(request: Request) -> Reply:
        found = answer(request)
        return Reply(found.body, found.status, {"Link": f'<{server.origin}{request.path}>; rel="next"'})

    server.answer = loop  # type: ignore[method-assign]
    copy = copy_of(server, pull_requests=False)
    copy.collect()
    assert "Only the first 5 pages" in dict(copy.listing.skipped)["threads"]


def test_pages_on_other_servers_are_refused(server: GitHub) -> None:
    elsewhere = {"Link": '<http://evil.example/next>; rel="next"'}
    server.refusals = [Reply(server.repositories[REPO]), Reply([server.threads[REPO, 1]], headers=elsewhere)]
    with pytest.raises(PermanentError, match="on another server"):
        copy_of(server, token=TOKEN).collect()


def test_list_with_a_huge_answer_is_skipped(server: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "MAX_ANSWER_BYTES", 1_000_000)
    server.refusals = [Reply(server.repositories[REPO]), Reply(b"[" + b" " * 2_000_000 + b"]")]
    copy = copy_of(server)
    copy.collect()
    assert (copy.keys, "sent more than 1,000,000 bytes" in dict(copy.listing.skipped)["threads"]) == (
        ["releases/v1"],
        True,
    )


def test_app_gets_a_token_of_its_installation(server: GitHub) -> None:
    server.token = "ghs_" + "b" * 36
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    no_password = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, no_password)
    as_pasted = pem.decode().replace("\n", " ")  # a form's field of one line joins the lines
    copy = copy_of(server, token=f"123456:{as_pasted}")
    copy.reader.check()
    copy.collect()
    assert copy.keys == THREADS
    claims = jwt.decode(server.app_tokens[0], key.public_key(), algorithms=["RS256"])
    assert (claims["iss"], claims["exp"] - claims["iat"]) == ("123456", 600)


@pytest.mark.parametrize(
    ("path", "config", "token", "reason"),
    [
        ("acme/nothing", {}, None, "GitHub has no acme/nothing"),
        (REPO, {}, "ghp_wrongwrongwrong", "Check the token"),
        (REPO, {"discussions": True}, None, "config.discussions"),
        (REPO, {}, "1:-----BEGIN RSA PRIVATE KEY-----AAAA-----END RSA PRIVATE KEY-----", "App's key can't be read"),
    ],
)
def test_check_tells_what_is_wrong(
    path: str, config: dict[str, Any], token: str | None, reason: str, server: GitHub
) -> None:
    server.token = "ghp_right" if token else ""
    with pytest.raises(UnprocessableContent, match=reason):
        copy_of(server, path, token, **config).reader.check()
