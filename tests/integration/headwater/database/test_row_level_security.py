"""Row-level security separates workspaces: no statement here filters by workspace itself."""

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES, Database, NotReady
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
        token_count, lexemes) select :w, id, 0, 0, 9, '{}', '\\x00', 2, to_tsvector('same text') from document
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
    ), member as (
      insert into members (workspace_id, subject, role) values (:w, 's', 'owner')
    ), key as (
      insert into api_keys (workspace_id, name, hash, hint, role, created_by)
      values (:w, 'k', cast(cast(:w as text) as bytea), 'abcd', 'reader', 's')
    ), schedule as (
      insert into schedules (source_id, workspace_id, cron, time_zone, next_due_at)
      select id, :w, '0 3 * * *', 'UTC', now() from sources
    )
    select 1
"""

_ADD_MESSAGE = sa.text(
    "insert into messages (workspace_id, conversation_id, role) values (:w, 'c', 'user') returning id"
)
_ADD_EVENT = sa.text("insert into message_events (message_id, workspace_id, seq, data) values (:m, :w, 1, '{}')")


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
                tx.execute(_ADD_EVENT, {"m": message_id, "w": workspace_id})
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


def test_workspace_cannot_change_rows_of_another(db: Database) -> None:
    for table in tables(db):
        with db.transaction(WORKSPACE) as tx:
            changed = tx.execute(
                sa.text(f"update {table} set workspace_id = workspace_id where workspace_id = :w"),
                {"w": OTHER_WORKSPACE},
            )
            assert changed.rowcount == 0, table
        with pytest.raises(ProgrammingError, match="row-level security"), db.transaction(WORKSPACE) as tx:
            tx.execute(sa.text(f"update {table} set workspace_id = :w"), {"w": OTHER_WORKSPACE})


ENGINE_SEES = {"runs", "steps", "members", "api_keys", "schedules"}


def test_engine_scope_sees_all_rows_of_its_tables_only(db: Database) -> None:
    for table in tables(db):
        with db.transaction(ALL_WORKSPACES) as tx:
            visible = set(tx.execute(sa.text(f"select workspace_id from {table}")).scalars())
        assert visible == ({WORKSPACE, OTHER_WORKSPACE} if table in ENGINE_SEES else set()), table


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
