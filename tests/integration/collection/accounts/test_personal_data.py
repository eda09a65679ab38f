"""All of a person's data: the export has it, the deletion removes it from every table, and no other person's."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from functions.collection.accounts.personal_data import TABLES
from headwater.database.transactions import owner_transaction
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp

ALL_TABLES = sa.text("""
    select c.relname from pg_class c
    where c.relnamespace = 'headwater'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
""")

# Rows of a person in every table that has some. `mark` is in all their texts.
FILL = """
    with p as (
      select cast(:w as uuid) as w, cast(:s as text) as s, cast(:mark as text) as mark, cast(:key as text) as key
    ), conversation as (
      insert into conversations (workspace_id, id, client_id, subject, title) select w, s || '-c', 'c1', s, mark from p
    ), message as (
      insert into messages (workspace_id, conversation_id, role, parts, rating, rating_reason, state)
      select w, s || '-c', 'assistant', jsonb_build_array(jsonb_build_object('type', 'text', 'text', mark)),
        'bad', mark, 'complete' from p returning id
    ), event as (
      insert into message_events (message_id, workspace_id, seq, data) select id, w, 1, mark from message, p
    ), agent as (
      insert into agents (message_id, workspace_id, task) select id, w, jsonb_build_object('question', mark)
      from message, p
    ), call as (
      insert into agent_calls (message_id, workspace_id, id, output) select id, w, 'call', mark from message, p
    ), checkpoint as (
      insert into agent_checkpoints (message_id, workspace_id, id, format, content, metadata)
      select id, w, mark, 'msgpack', '\\x00', '{}' from message, p
    ), sub_agent as (
      insert into sub_agents (message_id, workspace_id, call_id) select id, w, mark from message, p
    ), sub_agent_checkpoint as (
      insert into sub_agent_checkpoints (message_id, workspace_id, call_id, id, format, content, metadata)
      select id, w, mark, mark, 'msgpack', '\\x00', '{}' from message, p
    ), sub_agent_written as (
      insert into sub_agent_writes (message_id, workspace_id, call_id, checkpoint_id, task_id, position, channel,
        format, content)
      select id, w, mark, mark, 'task', 0, 'messages', 'msgpack', '\\x00' from message, p
    ), written as (
      insert into agent_writes (message_id, workspace_id, checkpoint_id, task_id, position, channel, format, content)
      select id, w, mark, 'task', 0, 'messages', 'msgpack', '\\x00' from message, p
    ), link as (
      insert into share_links (workspace_id, conversation_id, token_hash, content, expires_at)
      select w, s || '-c', '\\x00', jsonb_build_object('title', mark), now() + interval '1 day' from p
    ), file as (
      insert into conversation_files (workspace_id, conversation_id, name, media_type, bytes, title, text, language,
        warnings, chunks)
      select w, s || '-c', mark, 'text/plain', 1, mark, mark, 'en', '[]', 1 from p returning id
    ), file_chunk as (
      insert into conversation_chunks (workspace_id, file_id, ordinal, start_offset, end_offset, heading_path, words,
        word_count)
      select w, id, 0, 0, 1, array[mark], '{1:1}/10', 1 from file, p
    ), version as (
      insert into file_versions (workspace_id, conversation_id, path, version, bytes)
      select w, s || '-c', mark, 1, 0 from p
    ), extraction as (
      insert into extractions (workspace_id, subject, role, question, schema)
      select w, s, 'editor', mark, '{}' from p returning id
    ), extraction_row as (
      insert into extraction_rows (extraction_id, workspace_id, n, document_id, title)
      select id, w, 1, gen_random_uuid(), mark from extraction, p
    ), item as (
      insert into agent_items (workspace_id, agent, subject, namespace, key, value, bytes)
      select w, 'support', s, array['memories'], 'name', jsonb_build_object('name', mark), 1 from p
    ), server as (
      insert into mcp_servers (workspace_id, name, url, tools, left_out)
      select w, md5(s), 'https://x', '[]', '[]' from p returning id
    ), sign_in as (
      insert into mcp_authorizations (server_id, workspace_id, subject, state, secret)
      select id, w, s, cast(mark as bytea), '' from server, p
    ), standing_question as (
      insert into standing_questions (workspace_id, subject, name, question, mode)
      select w, s, mark, mark, 'documents' from p returning id
    ), standing_run as (
      insert into standing_runs (workspace_id, standing_question_id, trigger, due_at, reason)
      select w, id, 'request', now(), mark from standing_question, p returning id
    ), standing_delivery as (
      insert into standing_deliveries (run_id, workspace_id, n, kind, address)
      select id, w, 0, 'mail', mark from standing_run, p
    ), used as (
      insert into usage (workspace_id, day, kind, model, member_id, calls, input_tokens, cost)
      select w, date '2026-01-01', 'chat', 'm', s, 2, 10, 0.5 from p
      union all select w, date '2026-01-02', 'chat', 'm', s, 1, 1, null from p
    ), budget as (
      insert into budgets (workspace_id, applies_to, target, period, amount) select w, 'member', s, 'day', 7 from p
    ), reservation as (
      insert into reservations (workspace_id, member_id, amount, expires_at) select w, s, 1, now() from p
    ), key as (
      insert into api_keys (id, workspace_id, name, hash, hint, role, created_by)
      select cast(key as uuid), w, mark, cast(key as bytea), 'abcd', 'reader', s from p
    ), of_key as (
      insert into conversations (workspace_id, id, client_id, subject, title)
      select w, s || '-k', 'k1', 'key:' || key, mark from p
    ), used_by_key as (
      insert into usage (workspace_id, day, kind, model, key_id, calls, cost)
      select w, date '2026-01-01', 'chat', 'm', cast(key as uuid), 1, 0.25 from p
    )
    select 1
"""
KEYS = {"bob": "00000000-0000-4000-8000-00000000000b", "cleo": "00000000-0000-4000-8000-00000000000c"}


@pytest.fixture
def workspace(app: JwtApp, ada: FlaskClient) -> str:
    """Ada's workspace, with Bob's and Cleo's data. Cleo was added by Bob. Bob has data in Eve's workspace, too."""
    workspace_id = str(ada.get("/api/me").get_json()["workspace_id"])
    for person in ("bob", "cleo"):
        app.add_member(workspace_id, person, "reader")
        fill(app, workspace_id, person)
    app.rows("update members set name = 'Bob-mark' where subject = 'bob'", scope=workspace_id)
    app.rows("update members set added_by = 'bob' where subject = 'cleo'", scope=workspace_id)
    app.rows("""insert into usage (workspace_id, day, kind, model, calls, cost)
        values (:w, date '2026-01-01', 'chat', 'm', 1, 1)""", scope=workspace_id, w=workspace_id)  # fmt: skip
    return workspace_id


def fill(app: JwtApp, workspace_id: str, person: str) -> None:
    values = {"w": workspace_id, "s": person, "mark": f"{person}-mark", "key": KEYS[person]}
    app.rows(FILL, scope=workspace_id, **values)


def dump(database: FreshDatabase) -> dict[str, list[str]]:
    """Return the rows of every table of all workspaces as text."""
    with owner_transaction(database.admin_url) as tx:
        tables = tx.execute(ALL_TABLES).scalars().all()
        return {name: list(tx.execute(sa.text(f"select cast(t as text) from {name} t")).scalars()) for name in tables}


def tables_with(rows: dict[str, list[str]], *words: str) -> set[str]:
    return {name for name, texts in rows.items() for text in texts if any(word in text for word in words)}


def test_every_table_says_what_it_holds_of_a_person(database: FreshDatabase) -> None:
    assert set(dump(database)) == set(TABLES), "Say in TABLES what a new table holds, and export and delete it."


def test_person_has_data_in_every_table_that_is_deleted(database: FreshDatabase, workspace: str, app: JwtApp) -> None:
    held = {name for name, holding in TABLES.items() if holding in ("deleted", "anonymous")}
    assert tables_with(dump(database), "bob", KEYS["bob"]) == held


def test_leaving_deletes_a_persons_rows_of_every_table_and_no_others(
    app: JwtApp, database: FreshDatabase, workspace: str
) -> None:
    before = dump(database)
    response = app.person("bob").delete("/api/me/data?leave=true")
    assert response.get_json() == {"conversations": 2, "api_keys": 1, "left": True}
    after = dump(database)
    assert tables_with(after, "bob", KEYS["bob"]) == {name for name, holding in TABLES.items() if holding == "kept"}
    for name in after:
        if name not in ("audit_log", "usage", "members"):
            assert after[name] == [row for row in before[name] if "bob" not in row], name
    sums = "select day, calls, input_tokens, cost from usage where member_id is null and key_id is null order by day"
    rows = [
        (str(day), calls, tokens, cost and float(cost)) for day, calls, tokens, cost in app.rows(sums, scope=workspace)
    ]
    assert rows == [("2026-01-01", 4, 10, 1.75), ("2026-01-02", 1, 1, None)]
    actions = "select actor, action, target from audit_log where action <> 'workspace.created' order by id"
    assert app.rows(actions, scope=workspace) == [
        ("bob", "data.deleted", "bob"),
        ("bob", "member.removed", "bob"),
        ("bob", "key.revoked", KEYS["bob"]),
    ]
    assert [row[0] for row in app.rows("select subject from members", scope=workspace)] == ["ada", "cleo"]


def test_data_can_be_deleted_without_leaving(app: JwtApp, database: FreshDatabase, workspace: str) -> None:
    response = app.person("bob").delete("/api/me/data")
    assert response.get_json() == {"conversations": 1, "api_keys": 0, "left": False}
    left = tables_with(dump(database), "bob")
    assert left == {"members", "api_keys", "conversations", "audit_log"}  # the key, and its own conversation
    assert app.rows("select id from conversations where id like 'bob%'", scope=workspace) == [("bob-k",)]
    assert app.person("bob").get("/api/me").status_code == 200


def test_owner_deletes_a_members_data_even_after_the_removal(
    app: JwtApp, ada: FlaskClient, database: FreshDatabase, workspace: str
) -> None:
    assert app.person("bob").delete("/api/members/cleo?delete_data=true").status_code == 403
    assert ada.delete("/api/members/cleo").status_code == 204
    assert "conversations" in tables_with(dump(database), "cleo")
    for person in ("cleo", "bob"):
        assert ada.delete(f"/api/members/{person}?delete_data=true").status_code == 204
        assert tables_with(dump(database), person, KEYS[person]) == {"audit_log"}
    assert ada.delete("/api/members/cleo?delete_data=true").status_code == 404
    assert ada.delete("/api/members/ada?delete_data=true").status_code == 409


def test_mcp_servers_that_a_person_connected_last_lose_their_tokens(
    app: JwtApp, ada: FlaskClient, workspace: str
) -> None:
    changed = "oauth = 'x', revocations = 'y', uses_oauth = true"
    servers = app.rows(f"update mcp_servers set {changed} returning id", scope=workspace)
    for (server_id,), actors in zip(servers, (("cleo", "bob"), ("bob", "cleo")), strict=True):
        for actor in actors:
            app.rows("""insert into audit_log (workspace_id, actor, action, target)
                values (:w, :actor, 'mcp_server.connected', :id)""",
                scope=workspace, w=workspace, actor=actor, id=str(server_id))  # fmt: skip
    assert app.person("bob").delete("/api/me/data").status_code == 200
    (bobs,), (cleos,) = servers
    rows = app.rows("select id, oauth is null, revocations is null, is_connected from mcp_servers", scope=workspace)
    assert sorted(map(tuple, rows)) == sorted([(bobs, True, True, False), (cleos, False, False, True)])
    assert app.rows("select requests, attempts from mcp_revocations", scope=workspace) == [(b"y", 0)]
    assert ada.delete("/api/members/cleo").status_code == 204
    assert app.rows("select count(*) from mcp_servers where oauth is not null", scope=workspace) == [(0,)]
    assert app.rows("select count(*) from mcp_revocations", scope=workspace) == [(2,)]


def test_last_owner_deletes_data_but_stays(app: JwtApp, ada: FlaskClient, workspace: str) -> None:
    assert ada.delete("/api/me/data?leave=true").status_code == 409
    assert ada.delete("/api/me/data").status_code == 200
    assert app.by(app.add_key(workspace, "reader")).delete("/api/me/data?leave=true").status_code == 409


def test_export_has_all_of_a_persons_data_and_no_other_persons(app: JwtApp, workspace: str) -> None:
    response = app.person("bob").get("/api/me/data")
    assert response.headers["Content-Disposition"] == "attachment; filename=headwater-data.json"
    assert response.headers["Cache-Control"] == "private, no-store"
    text = response.get_data(as_text=True)
    data = json.loads(text)
    assert (data["subject"], data["membership"][0]["name"]) == ("bob", "Bob-mark")
    [conversation] = data["conversations"]
    assert (conversation["id"], conversation["title"]) == ("c1", "bob-mark")
    [message] = conversation["messages"]
    assert (message["parts"][0]["text"], message["rating_reason"]) == ("bob-mark", "bob-mark")
    names = ("api_keys", "usage", "budgets", "reservations", "share_links", "audit_log")
    assert {name: len(data[name]) for name in names} == {
        "api_keys": 1,
        "usage": 2,
        "budgets": 1,
        "reservations": 1,
        "share_links": 1,
        "audit_log": 1,
    }
    assert "cleo" not in text
    assert "hash" not in text
    [entry] = app.rows("select actor, action from audit_log where action like 'data.%'", scope=workspace)
    assert entry == ("bob", "data.exported")


def test_export_of_many_conversations_is_one_json_document(app: JwtApp, workspace: str) -> None:
    many = """insert into conversations (workspace_id, id, client_id, subject, title)
        select :w, 'x' || n, 'x' || n, 'bob', 'Title ' || n from generate_series(1, 50) n"""
    app.rows(many, scope=workspace, w=workspace)
    data = json.loads(app.person("bob").get("/api/me/data").data)
    assert len(data["conversations"]) == 51
    assert len({conversation["id"] for conversation in data["conversations"]}) == 51


def test_api_key_exports_and_deletes_its_own_conversations(app: JwtApp, workspace: str) -> None:
    key = app.add_key(workspace, "reader")
    [(key_id,)] = app.rows("select id from api_keys where created_by = 'test'", scope=workspace)
    values: dict[str, Any] = {"w": workspace, "s": f"key:{key_id}", "k": key_id}
    app.rows(
        "insert into conversations (workspace_id, id, subject, title) values (:w, 'z', :s, 'Mine')",
        scope=workspace,
        **values,
    )
    data = json.loads(app.by(key).get("/api/me/data").data)
    assert [conversation["title"] for conversation in data["conversations"]] == ["Mine"]
    assert app.by(key).delete("/api/me/data").get_json() == {"conversations": 1, "api_keys": 0, "left": False}
    assert app.by(key).get("/api/me").status_code == 200
