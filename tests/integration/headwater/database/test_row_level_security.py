"""Row-level security separates workspaces: no statement here filters by workspace itself."""

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES, Database, NotReady, Scope
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import OTHER_WORKSPACE, WORKSPACE, add_run, add_workspace

# Tables with a workspace, without partitions.
SCOPED = sa.text("""
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id'
    where c.relnamespace = 'headwater'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
""")

_FILL = """
    with document as (
      insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
      select :w, id, 'a.md', 'f', 'A', 'text/markdown', 'same text' from sources limit 1 returning id
    ), chunk as (
      insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
        token_count, words, word_count)
      select :w, id, 0, 0, 9, '{}', '\\x00', 2, cast('{1:1}/1000000000' as sparsevec), 1 from document
    ), segment as (
      insert into word_segments (workspace_id, first_chunk_id, chunks, words) values (:w, 1, 1, 1) returning id
    ), posting as (
      insert into word_postings (segment_id, workspace_id, word, chunks, postings) select id, :w, 1, 1, '' from segment
    ), relation as (
      insert into relations (workspace_id, document_id, kind, target, start_offset, end_offset)
      select :w, id, 'link', 'b.md', 0, 1 from document
    ), item as (
      insert into run_items (run_id, workspace_id, key, action) select id, :w, 'a.md', 'added' from runs
    ), step as (
      insert into steps (run_id, workspace_id, queue, kind, key) select id, :w, 'collection', 'list', '' from runs
    ), vector as (
      insert into vectors (model_id, workspace_id, input_hash, embedding) values (1, :w, '\\x00', '[1,0]')
    ), conversation as (
      insert into conversations (workspace_id, id, title) values (:w, 'c', 't')
    ), link as (
      insert into share_links (workspace_id, conversation_id, token_hash, content, expires_at)
      values (:w, 'c', '\\x00', '{}', now())
    ), attached as (
      insert into conversation_files (workspace_id, conversation_id, name, media_type, bytes, title, text, language,
        warnings, chunks)
      values (:w, 'c', 'a.md', 'text/markdown', 1, 'A', 'same text', 'en', '[]', 1) returning id
    ), attached_chunk as (
      insert into conversation_chunks (workspace_id, file_id, ordinal, start_offset, end_offset, heading_path, words,
        word_count)
      select :w, id, 0, 0, 9, '{}', cast('{1:1}/1000000000' as sparsevec), 1 from attached
    ), content as (
      insert into file_contents (workspace_id, conversation_id, sha256, bytes) values (:w, 'c', '\\x00', 1)
    ), file_version as (
      insert into file_versions (workspace_id, conversation_id, path, version, sha256, bytes)
      values (:w, 'c', 'a.md', 1, '\\x00', 1)
    ), server as (
      insert into mcp_servers (workspace_id, name, url, tools, left_out) values (:w, 's', 'https://x', '[]', '[]')
      returning id
    ), sign_in as (
      insert into mcp_authorizations (server_id, workspace_id, subject, state, secret)
      select id, :w, 's', cast(cast(:w as text) as bytea), '\\x00' from server
    ), extraction as (
      insert into extractions (workspace_id, subject, role, question, schema) values (:w, 's', 'editor', 'q', '{}')
      returning id
    ), extraction_row as (
      insert into extraction_rows (extraction_id, workspace_id, n, document_id, title)
      select id, :w, 1, gen_random_uuid(), 'same text' from extraction
    ), standing_question as (
      insert into standing_questions (workspace_id, subject, name, question, mode)
      values (:w, 's', 'n', 'same text', 'documents') returning id
    ), standing_run as (
      insert into standing_runs (workspace_id, standing_question_id, trigger, due_at, state, finished_at)
      select :w, id, 'request', now(), 'complete', now() from standing_question returning id
    ), standing_delivery as (
      insert into standing_deliveries (run_id, workspace_id, n, kind, address)
      select id, :w, 0, 'mail', 'a@x.example' from standing_run
    ), remembered as (
      insert into agent_items (workspace_id, agent, subject, namespace, key, value, bytes)
      values (:w, 'support', 's', array['memories'], 'k', '{}', 2)
    ), revocation as (
      insert into mcp_revocations (workspace_id, requests) values (:w, '\\x00')
    ), member as (
      insert into members (workspace_id, subject, role) values (:w, 's', 'owner')
    ), key as (
      insert into api_keys (workspace_id, name, hash, hint, role, created_by)
      values (:w, 'k', cast(cast(:w as text) as bytea), 'abcd', 'reader', 's')
    ), schedule as (
      insert into schedules (source_id, workspace_id, cron, time_zone, next_due_at)
      select id, :w, '0 3 * * *', 'UTC', now() from sources
    ), delivery as (
      insert into webhook_deliveries (source_id, workspace_id, id) select id, :w, 'd' from sources
    ), file as (
      insert into uploaded_files (id, workspace_id, source_id, path, bytes, sha256)
      select gen_random_uuid(), :w, id, 'a', 1, '\\x00' from sources
    ), file_upload as (
      insert into file_uploads (id, workspace_id, source_id, path, bytes, sha256, expires_at)
      select gen_random_uuid(), :w, id, 'a', 1, '\\x00', now() from sources
    ), page as (
      insert into web_cache (workspace_id, key, value, expires_at) values (:w, '\\x00', '\\x00', now())
    ), turn as (
      insert into host_turns (workspace_id, host, next_at) values (:w, 'a.example', now())
    ), used as (
      insert into usage (workspace_id, day, kind, model) values (:w, now(), 'chat', 'openai:gpt')
    ), budget as (
      insert into budgets (workspace_id, applies_to, period, amount) values (:w, 'workspace', 'day', 1)
    ), reservation as (
      insert into reservations (workspace_id, amount, expires_at) values (:w, 1, now())
    ), entry as (
      insert into audit_log (workspace_id, actor, action, target) values (:w, 's', 'member.added', 's')
    )
    select 1
"""

_ADD_MESSAGE = sa.text(
    "insert into messages (workspace_id, conversation_id, role) values (:w, 'c', 'user') returning id"
)
_ADD_EVENT = sa.text("insert into message_events (message_id, workspace_id, seq, data) values (:m, :w, 1, '{}')")

_ADD_AGENT = sa.text("""
    with agent as (
      insert into agents (message_id, workspace_id, task) values (:m, :w, '{}') returning message_id
    ), call as (
      insert into agent_calls (message_id, workspace_id, id) select message_id, :w, 'c' from agent
    ), checkpoint as (
      insert into agent_checkpoints (message_id, workspace_id, id, format, content, metadata)
      select message_id, :w, 'c', 'msgpack', '\\x00', '{}' from agent
    ), sub_agent as (
      insert into sub_agents (message_id, workspace_id, call_id) select message_id, :w, 'c' from agent
    ), sub_agent_checkpoint as (
      insert into sub_agent_checkpoints (message_id, workspace_id, call_id, id, format, content, metadata)
      select message_id, :w, 'c', 'c', 'msgpack', '\\x00', '{}' from agent
    ), sub_agent_write as (
      insert into sub_agent_writes (message_id, workspace_id, call_id, checkpoint_id, task_id, position, channel,
        format, content)
      select message_id, :w, 'c', 'c', 't', 0, 'messages', 'msgpack', '\\x00' from agent
    )
    insert into agent_writes (message_id, workspace_id, checkpoint_id, task_id, position, channel, format, content)
    select message_id, :w, 'c', 't', 0, 'messages', 'msgpack', '\\x00' from agent
""")


@pytest.fixture
def db(database: FreshDatabase) -> Iterator[Database]:
    register_model(database.admin_url, "constant", 2)
    with connected(database.url, 2) as db:
        for workspace_id in (WORKSPACE, OTHER_WORKSPACE):
            add_workspace(db, workspace_id)
            add_run(db, workspace_id)
            with db.transaction(workspace_id) as tx:
                tx.execute(sa.text(_FILL), {"w": workspace_id})
                message_id = tx.execute(_ADD_MESSAGE, {"w": workspace_id}).scalar_one()
                for statement in (_ADD_EVENT, _ADD_AGENT):
                    tx.execute(statement, {"m": message_id, "w": workspace_id})
        yield db


def tables(db: Database) -> list[str]:
    with db.transaction(WORKSPACE) as tx:
        return sorted(tx.execute(SCOPED).scalars())


def owners(db: Database, scope: uuid.UUID, table: str) -> set[uuid.UUID]:
    with db.transaction(scope) as tx:
        return set(tx.execute(sa.text(f"select workspace_id from {table}")).scalars())


def test_workspace_sees_only_its_own_rows_of_every_table(db: Database) -> None:
    assert {"documents", "chunks", "vectors", "messages"} < set(tables(db))
    for table in tables(db):
        assert owners(db, WORKSPACE, table) == {WORKSPACE}, table
        assert owners(db, OTHER_WORKSPACE, table) == {OTHER_WORKSPACE}, table


def columns(db: Database, table: str) -> list[str]:
    """Return the columns of a table that an insert may name."""
    with db.transaction(WORKSPACE) as tx:
        return list(tx.execute(_COLUMNS, {"table": table}).scalars())


_COLUMNS = sa.text("""
    select column_name from information_schema.columns
    where table_schema = 'headwater' and table_name = :table and is_identity = 'NO' and is_generated = 'NEVER'
""")


def copy_into(db: Database, table: str, workspace_id: uuid.UUID, scope: Scope) -> None:
    """Insert a copy of a row of WORKSPACE as a row of another workspace, in a transaction with a scope.

    The copy has the same ids, so that only row-level security or a unique constraint can refuse it.
    """
    with db.transaction(WORKSPACE) as tx:
        row = tx.execute(sa.text(f"select to_json(t) from {table} t limit 1")).scalar_one()
    values = {"row": json.dumps(row | {"workspace_id": str(workspace_id)})}
    names = ", ".join(columns(db, table))
    copy = f"insert into {table} ({names}) select {names} from json_populate_record(cast(null as {table}), :row)"
    with db.transaction(scope) as tx:
        tx.execute(sa.text(copy), values)


def test_workspace_cannot_change_rows_of_another(db: Database) -> None:
    for table in tables(db):
        change = partial(execute, db, WORKSPACE, w=OTHER_WORKSPACE)
        if table == "audit_log":  # no workspace can change its own entries either
            for statement in (f"update {table} set workspace_id = :w", f"delete from {table} where workspace_id = :w"):
                with pytest.raises(ProgrammingError, match="permission denied"):
                    change(statement)
            continue
        assert change(f"update {table} set workspace_id = workspace_id where workspace_id = :w") == 0, table
        assert change(f"delete from {table} where workspace_id = :w") == 0, table
        with pytest.raises(ProgrammingError, match=r"row-level security|another workspace"):
            change(f"update {table} set workspace_id = :w")


def test_workspace_cannot_insert_rows_of_another(db: Database) -> None:
    for table in tables(db):
        with pytest.raises(ProgrammingError, match="row-level security"):
            copy_into(db, table, OTHER_WORKSPACE, WORKSPACE)
        with suppress(IntegrityError):  # the same statement gets past row-level security for the own workspace
            copy_into(db, table, WORKSPACE, WORKSPACE)


def execute(db: Database, scope: Scope, statement: str, **values: object) -> int:
    """Run a statement in a transaction with a scope. Return the number of rows that it changed."""
    with db.transaction(scope) as tx:
        return tx.execute(sa.text(statement), values).rowcount


ENGINE_SEES = {"runs", "steps", "members", "api_keys", "schedules"}


def test_engine_scope_sees_all_rows_of_its_tables_only(db: Database) -> None:
    for table in tables(db):
        with db.transaction(ALL_WORKSPACES) as tx:
            visible = set(tx.execute(sa.text(f"select workspace_id from {table}")).scalars())
        assert visible == ({WORKSPACE, OTHER_WORKSPACE} if table in ENGINE_SEES else set()), table


LEDGER = {"runs", "steps"}


def test_engine_scope_writes_only_to_the_ledger(db: Database) -> None:
    for table in tables(db):
        with pytest.raises(ProgrammingError, match="row-level security"):
            copy_into(db, table, OTHER_WORKSPACE, ALL_WORKSPACES)
        if table == "audit_log":
            continue
        changed = execute(db, ALL_WORKSPACES, f"update {table} set workspace_id = workspace_id")
        assert changed == (2 if table in LEDGER else 0), table
        assert execute(db, ALL_WORKSPACES, f"delete from {table}") == 0, table


def test_engine_scope_cannot_move_rows_to_another_workspace(db: Database) -> None:
    for table in LEDGER:
        with pytest.raises(ProgrammingError, match="another workspace"):
            execute(db, ALL_WORKSPACES, f"update {table} set workspace_id = :w", w=WORKSPACE)


def test_engine_scope_adds_steps_to_the_workspace_of_their_run(db: Database) -> None:
    add = "insert into steps (run_id, workspace_id, queue, kind, key) select id, :w, 'q', 'finish', '' from runs"
    assert execute(db, ALL_WORKSPACES, f"{add} where workspace_id = :w", w=WORKSPACE) == 1
    with pytest.raises(ProgrammingError, match="row-level security"):
        execute(db, ALL_WORKSPACES, f"{add} where workspace_id <> :w", w=WORKSPACE)


def test_transaction_without_a_workspace_sees_no_rows(db: Database) -> None:
    for table in tables(db):
        with db.engine.begin() as tx:
            assert tx.execute(sa.text(f"select count(*) from headwater.{table}")).scalar_one() == 0, table


def test_app_role_cannot_disable_row_level_security(db: Database) -> None:
    for statement in ("alter table documents disable row level security", "set role postgres", "drop table documents"):
        with pytest.raises(ProgrammingError), db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text(statement))


def test_check_ready_rejects_a_role_that_bypasses_row_level_security(db: Database, database: FreshDatabase) -> None:
    db.check_ready()
    with connected(database.admin_url) as owner, pytest.raises(NotReady, match="bypasses"):
        owner.check_ready()
