"""Standing questions: their resource, their schedule, and their answers in conversations."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, follow
from tests.harness.chat_app import ChatApp, message_text
from tests.harness.standing import (
    QUESTION,
    assert_nothing_is_open,
    call,
    create,
    go_on,
    kill_at,
    make_due,
    run_now,
    runs,
    tick,
)

DAILY = {"cron": "0  8 * * *", "time_zone": "Europe/Berlin"}


def test_standing_question_is_created_changed_and_deleted(chat: ChatApp) -> None:
    created = create(chat, schedule=DAILY)
    assert created["schedule"] == {"cron": "0 8 * * *", "time_zone": "Europe/Berlin"}
    assert (created["paused"], created["last_run"], created["mail_to"]) == (False, None, [])
    assert created["next_run_at"] > created["created_at"]
    assert call(chat, "GET", f"/{created['id']}") == created
    changed = call(chat, "PATCH", f"/{created['id']}", name=" New  name ", paused=True)
    assert (changed["name"], changed["paused"], changed["next_run_at"]) == ("New name", True, None)
    assert changed["question"] == created["question"]
    resumed = call(chat, "PATCH", f"/{created['id']}", paused=False)
    assert resumed["next_run_at"] == created["next_run_at"]
    assert call(chat, "PATCH", f"/{created['id']}", schedule=None)["next_run_at"] is None
    call(chat, "DELETE", f"/{created['id']}", status=204)
    call(chat, "GET", f"/{created['id']}", status=404)
    statement = "select action from audit_log where target = :id order by id"
    assert [action for (action,) in chat.rows(statement, id=created["id"])] == [
        "standing_question.created",
        *["standing_question.changed"] * 3,
        "standing_question.deleted",
    ]


def test_list_has_pages(chat: ChatApp) -> None:
    names = [create(chat, name=f"Q{n}")["name"] for n in range(5)]
    found, after = [], ""
    while True:
        response = chat.client.get("/api/standing-questions", query_string={"limit": 2, "after": after}).get_json()
        found += [each["name"] for each in response["standing_questions"]]
        after = response["next"]
        if after is None:
            break
    assert found == names[::-1]
    for wrong in ("x", "2026-01-01~x", "2026-01-01T00:00:00~" + "0" * 32):
        assert chat.client.get("/api/standing-questions", query_string={"after": wrong}).status_code == 422


INVALID: list[tuple[dict[str, Any], str]] = [
    ({"name": " "}, "name is empty"),
    ({"question": " "}, "question"),
    ({"question": "x" * 28_001, "changes": True}, "28000"),
    ({"model": "openai:other"}, "model: openai:other is not available"),
    ({"agent": "a"}, "agent: only a question"),
    ({"mode": "agent", "agent": "unknown"}, "agent: "),
    ({"filter": "date>soon"}, "Invalid filter"),
    ({"mode": "web", "changes": True}, "changes: "),
    ({"schedule": {"cron": "* * * * *"}}, "The shortest interval"),
    ({"schedule": {"cron": "0 0 30 2 *"}}, "bad day-of-month"),
    ({"schedule": {"cron": "0 3 * * *", "time_zone": "Mars"}}, "no time zone"),
    ({"on_change": {"sources": ["00000000-0000-4000-8000-00000000000f"]}}, "sources not found"),
    ({"callback_url": "ftp://x.example"}, "https://"),
    ({"callback_url": "https://user:secret@x.example"}, "callback_url"),
    ({"callback_url": "https://x.example/a b"}, "callback_url"),
    ({"callback_url": "https://x.example:0x/"}, "callback_url"),
    ({"mail_to": ["ann@other.example"]}, "are not allowed"),
]


def test_invalid_fields_are_refused(chat: ChatApp) -> None:
    for fields, reason in INVALID:
        given = {"name": "Compass", "question": QUESTION, **fields}
        assert reason in call(chat, "POST", status=422, **given)["detail"], fields
    assert chat.rows("select count(*) from standing_questions") == [(0,)]


def test_workspace_has_a_limit(chat: ChatApp) -> None:
    create(chat)
    chat.rows("""insert into standing_questions (workspace_id, subject, name, question, mode)
        select workspace_id, 'other', 'n', 'q', 'documents' from standing_questions, generate_series(1, 99)""")
    assert "100 standing questions" in call(chat, "POST", status=409, name="n", question="q")["detail"]
    assert len(call(chat, "GET")["standing_questions"]) == 1, "those of others are not listed"


def test_answers_grow_one_conversation(chat: ChatApp, provider: ScriptedProvider) -> None:
    question = create(chat)
    for _ in range(2):
        run = run_now(chat, question)
        assert (run["state"], run["trigger"], run["reason"], run["deliveries"]) == ("complete", "request", None, [])
        assert run["conversation_id"] == question["conversation_id"]
    messages = chat.messages(question["conversation_id"])
    assert [message_text(message) for message in messages] == [QUESTION, "With pip [1]."] * 2
    assert messages[-1]["id"] == run["answer_id"]
    assert [part["type"] for part in messages[-1]["parts"] if part["type"].startswith("source")] == ["source-document"]
    [conversation] = chat.client.get("/api/conversations").get_json()["conversations"]
    assert conversation["title"] == "Compass"
    assert call(chat, "GET", f"/{question['id']}")["last_run"] == run
    assert chat.rows("select calls > 0, member_id from usage where kind = 'chat'") == [(True, "local")]
    assert_nothing_is_open(chat)


def test_each_answer_begins_a_conversation(chat: ChatApp) -> None:
    question = create(chat, new_conversation=True)
    assert question["conversation_id"] is None
    ids = [run_now(chat, question)["conversation_id"] for _ in range(2)]
    assert len(set(ids)) == 2
    assert all(len(chat.messages(id_)) == 2 for id_ in ids)


def test_schedule_starts_one_run_for_missed_times(chat: ChatApp) -> None:
    question = create(chat, schedule=DAILY)
    assert tick(chat) == 0
    make_due(chat, question, "9 days")
    with ThreadPoolExecutor(4) as ticks:
        assert sum(ticks.map(lambda _: tick(chat), range(4))) == 1
    chat.drain()
    assert [(run["trigger"], run["state"]) for run in runs(chat, question)] == [("schedule", "complete")]
    assert call(chat, "GET", f"/{question['id']}")["next_run_at"] == question["next_run_at"]
    assert tick(chat) == 0
    assert_nothing_is_open(chat)


def test_time_is_skipped_while_a_run_is_open(chat: ChatApp) -> None:
    question = create(chat, schedule=DAILY)
    call(chat, "POST", f"/{question['id']}/run", status=202)
    assert "is being asked" in call(chat, "POST", f"/{question['id']}/run", status=409)["detail"]
    make_due(chat, question)
    assert tick(chat) == 0
    chat.drain()
    assert [(run["trigger"], run["state"]) for run in runs(chat, question)] == [
        ("schedule", "skipped"),
        ("request", "complete"),
    ]


def test_paused_question_is_asked_on_request_only(chat: ChatApp) -> None:
    question = create(chat, schedule=DAILY, paused=True)
    make_due(chat, question)
    assert tick(chat) == 0
    assert run_now(chat, question)["state"] == "complete"


def test_agent_answers_with_tools(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([ToolCall("search_knowledge", {"query": "compass"})], "With pip [1].")
    question = create(chat, mode="agent")
    assert run_now(chat, question)["state"] == "complete"
    assert message_text(chat.messages(question["conversation_id"])[-1]) == "With pip [1]."
    assert_nothing_is_open(chat)


def test_agent_that_waits_for_its_owner_keeps_the_run_open(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([ToolCall("ask_user", {"question": "Which compass?"})], "With pip.")
    question = create(chat, mode="agent")
    assert run_now(chat, question)["state"] == "running"
    assert chat.rows("select count(*) from steps where state in ('ready', 'running')") == [(0,)], "it costs nothing"
    assert tick(chat) == 0
    parts = chat.rows("select data from message_events where data like '%tool-input-available%'")
    call_id = parts[0][0].split('"toolCallId":"')[1].split('"')[0]
    answer = {"type": "dynamic-tool", "toolName": "ask_user", "toolCallId": call_id, "state": "output-available"}
    message = {"id": "", "role": "assistant", "parts": [{**answer, "output": "The brass one."}]}
    with ThreadPoolExecutor(1) as pool:
        body = {"id": question["conversation_id"], "messages": [message]}
        reading = pool.submit(lambda: chat.client.post("/api/chat", json=body).data)
        while chat.drain() == 0:
            pass
        assert b"[DONE]" in reading.result()
    assert runs(chat, question)[0]["state"] == "complete"
    assert_nothing_is_open(chat)


def test_exhausted_budget_ends_the_run_and_the_next_is_tried(chat: ChatApp) -> None:
    question = create(chat)
    budget = {"applies_to": "workspace", "period": "day", "amount": 0}
    assert chat.client.put("/api/budgets", json={"budgets": [budget]}).status_code == 200
    run = run_now(chat, question)
    assert run["state"] == "failed"
    assert "budget of $0.00 a day is used up" in run["reason"]
    assert chat.rows("select count(*) from messages") == [(0,)], "nothing was asked"
    chat.client.put("/api/budgets", json={"budgets": []})
    assert run_now(chat, question)["state"] == "complete"
    assert_nothing_is_open(chat)


def test_question_whose_owner_has_left_is_paused(chat: ChatApp, provider: ScriptedProvider) -> None:
    values = {"w": chat.workspace_id}
    key = "00000000-0000-4000-8000-00000000000b"
    chat.rows("delete from api_keys")
    chat.rows(
        """insert into api_keys (id, workspace_id, name, hash, hint, role, scopes, created_by, revoked_at)
        values (:key, :w, 'k', '', '', 'editor', '{}', 'bob', now())""",
        key=key,
        **values,
    )
    chat.rows("insert into members (workspace_id, subject, role) values (:w, 'cleo', 'reader')", **values)
    cases = {"bob": "not a member", "cleo": "role editor", f"key:{key}": "revoked"}
    for subject, reason in cases.items():
        question = create(chat, schedule=DAILY)
        make_due(chat, question)
        chat.rows("update standing_questions set subject = :s where id = :id", s=subject, id=question["id"])
        assert tick(chat) == 1
        chat.drain()
        statement = """select q.paused_at is not null, q.paused_reason, r.state, r.reason from standing_questions q
            join standing_runs r on r.standing_question_id = q.id where q.id = :id"""
        [(is_paused, paused, state, told)] = chat.rows(statement, id=question["id"])
        assert (is_paused, paused, state) == (True, told, "failed"), subject
        assert reason in told
        make_due(chat, question)
        assert tick(chat) == 0
    assert provider.requests == []
    chat.rows("update api_keys set revoked_at = null, scopes = '{collection}'")
    chat.rows("update members set role = 'owner'")
    chat.rows("update standing_questions set paused_at = null, paused_reason = null")
    chat.rows("insert into members (workspace_id, subject, role) values (:w, 'bob', 'editor')", **values)
    assert tick(chat) == 3
    chat.drain()
    ended = chat.rows(
        "select q.subject, r.state from standing_runs r join standing_questions q "
        "on q.id = r.standing_question_id order by r.created_at"
    )[-3:]
    assert dict(ended) == {
        "bob": "complete",
        "cleo": "complete",
        f"key:{key}": "failed",
    }
    assert_nothing_is_open(chat)


def test_failed_answer_fails_the_run(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.status = 400
    question = create(chat)
    run = run_now(chat, question)
    assert run["state"] == "failed"
    assert run["reason"] == chat.messages(question["conversation_id"])[-1]["metadata"]["notice"]
    assert_nothing_is_open(chat)


def test_stopped_answer_fails_the_run(chat: ChatApp, provider: ScriptedProvider) -> None:
    question = create(chat)

    def stop(_: object) -> str:
        assert chat.client.post(f"/api/chat/{question['conversation_id']}/stop").get_json() == {"stopped": True}
        return "With pip."

    provider.script = stop
    assert run_now(chat, question)["reason"] == "The answer was stopped."


def test_deleted_conversation_ends_the_run(chat: ChatApp, provider: ScriptedProvider) -> None:
    question = create(chat)

    def delete(_: object) -> str:
        assert chat.client.delete(f"/api/conversations/{question['conversation_id']}").status_code == 204
        return "With pip."

    provider.script = delete
    assert run_now(chat, question)["state"] == "running"
    assert tick(chat) == 1
    chat.drain()
    assert "conversation was deleted" in runs(chat, question)[0]["reason"]
    assert_nothing_is_open(chat)


def test_deleted_question_ends_its_run(chat: ChatApp, provider: ScriptedProvider) -> None:
    question = create(chat)
    call(chat, "POST", f"/{question['id']}/run", status=202)
    call(chat, "DELETE", f"/{question['id']}", status=204)
    chat.drain()
    assert provider.requests == []
    assert_nothing_is_open(chat)


def test_question_waits_for_a_running_answer_of_its_conversation(chat: ChatApp) -> None:
    question = create(chat)
    run_now(chat, question)
    chat.rows("""insert into messages (workspace_id, conversation_id, role, state, alive_until)
        select workspace_id, id, 'assistant', 'streaming', clock_timestamp() + interval '1 hour' from conversations""")
    assert run_now(chat, question)["state"] == "running"
    assert "running answer" in chat.rows("select error from steps where state = 'ready'")[0][0]
    chat.rows("delete from messages where state = 'streaming'")
    chat.rows("update steps set not_before = now() where state = 'ready'")
    chat.drain()
    assert [run["state"] for run in runs(chat, question)] == ["complete", "complete"]
    assert_nothing_is_open(chat)


def test_stopped_answer_that_waits_wakes_the_queue(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([ToolCall("ask_user", {"question": "Which compass?"})], "With pip.")
    question = create(chat, mode="agent")
    assert run_now(chat, question)["state"] == "running"
    chat.rows("delete from tickets")
    assert chat.client.post(f"/api/chat/{question['conversation_id']}/stop").get_json() == {"stopped": True}
    assert chat.rows("select queue from tickets") == [("chat",)]
    chat.drain()
    assert runs(chat, question)[0]["reason"] == "The answer was stopped."


def test_question_whose_source_is_gone_can_be_paused(chat: ChatApp) -> None:
    question = create(chat)
    chat.rows("update standing_questions set on_change = true, change_sources = array[gen_random_uuid()]")
    assert call(chat, "PATCH", f"/{question['id']}", paused=True)["paused"]
    assert "sources not found" in call(chat, "PATCH", f"/{question['id']}", 422, paused=False)["detail"]


def test_run_goes_on_after_a_kill_at_each_commit(chat: ChatApp) -> None:
    for at in range(1, 16, 2):
        question = create(chat)
        call(chat, "POST", f"/{question['id']}/run", status=202)
        kill_at(chat, at)
        go_on(chat)
        assert [run["state"] for run in runs(chat, question)] == ["complete"], at
        texts = [message_text(each) for each in chat.messages(question["conversation_id"])]
        assert texts == [QUESTION, "With pip [1]."], at
        assert_nothing_is_open(chat)
