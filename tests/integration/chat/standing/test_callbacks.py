"""Callbacks: signed, repeated with the same id, and never sent to an address of the network inside."""

import base64
import datetime as dt
import hmac
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from functions.chat.standing.delivery import callback_step
from tests.fakes.http_target import Hit, Reply, Target, http_target
from tests.harness.chat_app import ChatApp, second_instance
from tests.harness.databases import FreshDatabase
from tests.harness.standing import assert_nothing_is_open, call, create, go_on, kill_at, run_now, run_to_the_end, runs


@pytest.fixture
def target() -> Iterator[Target]:
    with http_target() as target:
        yield target


def delivery(run: dict[str, Any]) -> tuple[str, str, str | None]:
    [only] = run["deliveries"]
    return run["state"], only["state"], only["reason"]


def retry_now(chat: ChatApp) -> None:
    """Let a step that waits for its next attempt be due."""
    chat.rows("update steps set not_before = now() where state = 'ready'")
    chat.drain()


def assert_signed(hit: Hit, secret: str) -> None:
    """Verify a callback as docs/standing-questions.md shows."""
    headers = {name.lower(): value for name, value in hit.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + hit.body
    expected = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    version, _, signature = headers["webhook-signature"].partition(",")
    assert (version, base64.b64decode(signature)) == ("v1", expected)
    sent = dt.datetime.fromtimestamp(int(headers["webhook-timestamp"]), dt.UTC)
    assert abs(dt.datetime.now(dt.UTC) - sent) < dt.timedelta(hours=1)


def test_callback_is_signed_and_has_the_answer(chat: ChatApp, target: Target) -> None:
    question = create(chat, callback_url=target.url)
    run = run_now(chat, question)
    assert delivery(run) == ("complete", "sent", None)
    [hit] = target.hits
    assert_signed(hit, question["callback_secret"])
    body = json.loads(hit.body)
    assert (body["type"], body["id"], body["trigger"]) == ("standing_question.answered", run["id"], "request")
    answer = body["answer"]
    assert (answer["text"], answer["message_id"]) == ("With pip [1].", run["answer_id"])
    [source] = answer["sources"]
    assert (source["n"], source["title"]) == (1, "Install")
    assert source["app_url"].startswith(f"https://headwater.example/documents/{source['document_id']}?start=0&end=")
    assert answer["app_url"] == f"https://headwater.example/chat/{question['conversation_id']}"
    assert "callback_secret" not in call(chat, "GET", f"/{question['id']}")
    assert question["callback_secret"].encode() not in chat.rows("select callback_secret from standing_questions")[0][0]
    assert_nothing_is_open(chat)


def test_secret_is_replaced_on_request_only(chat: ChatApp, target: Target) -> None:
    question = create(chat, callback_url=target.url)
    assert "callback_secret" not in call(chat, "PATCH", f"/{question['id']}", name="Other")
    secret = call(chat, "PATCH", f"/{question['id']}", new_callback_secret=True)["callback_secret"]
    assert secret != question["callback_secret"]
    run_now(chat, question)
    assert_signed(target.hits[0], secret)
    assert call(chat, "PATCH", f"/{question['id']}", callback_url=None)["callback_url"] is None
    assert run_now(chat, question)["deliveries"] == []


def test_errors_that_pass_are_retried_with_the_same_id(chat: ChatApp, target: Target) -> None:
    for failures in ([500, 503], [429], [408, 425]):
        target.hits.clear()
        target.reply_in_turn(*failures)
        question = create(chat, callback_url=target.url)
        run = run_to_the_end(chat, question)
        assert delivery(run) == ("complete", "sent", None)
        assert {hit.headers["webhook-id"] for hit in target.hits} == {run["id"]}
        assert len(target.hits) == len(failures) + 1
        assert len({hit.body for hit in target.hits}) == 1
        assert_nothing_is_open(chat)


def test_retry_after_is_kept_and_patience_ends(chat: ChatApp, target: Target) -> None:
    target.reply_in_turn(Reply(429, {"Retry-After": "3000"}), Reply(429, {"Retry-After": "100000"}))
    question = create(chat, callback_url=target.url)
    run_now(chat, question)
    [(wait_s,)] = chat.rows("select extract(epoch from not_before - now())::float8 from steps where state = 'ready'")
    assert wait_s > 2_900
    retry_now(chat)
    state, sent, reason = delivery(runs(chat, question)[0])
    assert (state, sent) == ("failed", "failed")
    assert "longer than Headwater waits" in str(reason)
    assert_nothing_is_open(chat)


def test_errors_that_stay_fail_the_delivery(chat: ChatApp, target: Target) -> None:
    for status in (301, 307, 404, 410):
        target.hits.clear()
        target.reply_in_turn(Reply(status, {"Location": "http://169.254.169.254/"}))
        question = create(chat, callback_url=target.url)
        state, sent, reason = delivery(run_now(chat, question))
        assert (state, sent, len(target.hits)) == ("failed", "failed", 1)
        assert f"the status {status}." in str(reason)
        assert "With pip [1]." in json.dumps(chat.messages(question["conversation_id"])), "the answer stays"
        assert_nothing_is_open(chat)


def test_private_addresses_are_refused(chat: ChatApp, module_database: FreshDatabase, changes: dict[str, Any]) -> None:
    addresses = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"]
    lookup = lambda *_, **__: [(0, 0, 0, "", (addresses[0], 443))]  # noqa: E731
    with second_instance(module_database, lookup=lookup, **{**changes, "fetch_private": False}) as guarded:
        while addresses:
            question = create(chat, callback_url="https://callback.example/answers")
            call(chat, "POST", f"/{question['id']}/run", status=202)
            guarded.drain()
            state, sent, reason = delivery(runs(chat, question)[0])
            assert (state, sent) == ("failed", "failed")
            assert "not public" in str(reason)
            assert addresses.pop(0) not in str(reason)


def test_server_that_hangs_is_given_up_in_time(chat: ChatApp, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_step, "CALLBACK_S", 0.2)
    answered = threading.Event()
    target.reply = lambda _: Reply(200, after=answered)
    question = create(chat, callback_url=target.url)
    try:
        run_now(chat, question)
        assert "in 0.2 s" in chat.rows("select error from steps where state = 'ready'")[0][0]
    finally:
        answered.set()


def test_answer_that_was_deleted_is_not_sent(chat: ChatApp, target: Target) -> None:
    target.reply_in_turn(Reply(500, {"Retry-After": "60"}))
    question = create(chat, callback_url=target.url)
    run_now(chat, question)
    chat.client.delete(f"/api/conversations/{question['conversation_id']}")
    retry_now(chat)
    assert "was deleted before" in str(delivery(runs(chat, question)[0])[2])
    assert len(target.hits) == 1


def test_answer_is_not_sent_to_a_callback_that_was_replaced(chat: ChatApp, target: Target) -> None:
    target.reply_in_turn(Reply(500))
    question = create(chat, callback_url=f"{target.url}/hooks/secret-1")
    run_now(chat, question)
    call(chat, "PATCH", f"/{question['id']}", callback_url=f"{target.url}/other")
    retry_now(chat)
    [run] = runs(chat, question)
    assert (run["state"], len(target.hits)) == ("failed", 1)
    assert run["reason"] == "Callback: The answer or this address was deleted before it was sent."
    assert_nothing_is_open(chat)


def test_callback_comes_after_a_kill_at_each_commit(chat: ChatApp, target: Target) -> None:
    for at in range(8, 18, 2):
        target.hits.clear()
        question = create(chat, callback_url=target.url)
        call(chat, "POST", f"/{question['id']}/run", status=202)
        kill_at(chat, at)
        go_on(chat)
        [run] = runs(chat, question)
        assert delivery(run) == ("complete", "sent", None), at
        assert {hit.headers["webhook-id"] for hit in target.hits} == {run["id"]}
        assert len(target.hits) in (1, 2)
        assert_nothing_is_open(chat)
