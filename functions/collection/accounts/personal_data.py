"""All of a person's data in a workspace: export it as JSON, and delete it.

`TABLES` says for every table what it holds of a person; a test fails for a table that is missing there. An API key is
the person of its own conversations.
"""

import base64
from collections.abc import Iterator
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.accounts import keys, members
from functions.collection.accounts.mcp_connections import end_connections
from headwater import logs
from headwater.auth import audit_log
from headwater.auth.callers import KEY_PREFIX, LOCAL, Caller
from headwater.database.transactions import Database
from headwater.errors import Conflict, HeadwaterError, NotFound
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place

Holding = Literal["deleted", "anonymous", "kept", "nothing"]

TABLES: dict[str, Holding] = {
    "conversations": "deleted",
    "messages": "deleted",  # with their conversations, as the next ten
    "conversation_files": "deleted",
    "conversation_chunks": "deleted",
    "file_versions": "deleted",
    "message_events": "deleted",
    "agents": "deleted",
    "agent_calls": "deleted",
    "agent_checkpoints": "deleted",
    "sub_agents": "deleted",
    "sub_agent_checkpoints": "deleted",
    "sub_agent_writes": "deleted",
    "agent_writes": "deleted",
    "share_links": "deleted",
    "agent_items": "deleted",  # but for those that agents share in the workspace
    "extractions": "deleted",
    "extraction_rows": "deleted",
    "standing_questions": "deleted",
    "standing_runs": "deleted",
    "standing_deliveries": "deleted",
    "usage": "anonymous",
    "budgets": "deleted",
    "reservations": "deleted",
    "members": "deleted",  # if the person leaves the workspace, as their API keys
    "api_keys": "deleted",
    "audit_log": "kept",  # who changed what is evidence; entries are deleted after KEEP_AUDIT_DAYS
    "runs": "nothing",  # those that write an answer are deleted with it
    "steps": "nothing",
    "workspaces": "nothing",
    "sources": "nothing",
    "mcp_servers": "nothing",  # but for the tokens of one that the person has connected, which are deleted
    "mcp_revocations": "nothing",  # their tokens, encrypted, until the tick has revoked them
    "mcp_authorizations": "deleted",  # sign-ins that have begun
    "schedules": "nothing",
    "webhook_deliveries": "nothing",
    "run_items": "nothing",
    "documents": "nothing",
    "chunks": "nothing",
    "relations": "nothing",
    "vectors": "nothing",
    "word_segments": "nothing",
    "word_postings": "nothing",
    "file_contents": "nothing",  # hashes of contents; the tick deletes the blobs, then these rows
    "uploaded_files": "nothing",
    "file_uploads": "nothing",
    "host_turns": "nothing",
    "web_cache": "nothing",  # by hashes, and without who asked
    "providers": "nothing",
    "tickets": "nothing",
    "embedding_models": "nothing",
    "embedding_scales": "nothing",
    "alembic_version": "nothing",
}
"""What each table holds of a person, after the deletion of their data."""

BATCH = 20
"""Conversations that an export reads at a time."""


class DataDeletionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`leave`: also leave the workspace, and delete the API keys that the caller created, with their conversations."""

    leave: bool = False


class MemberRemovalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`delete_data`: delete all of the member's data too, even if they have been removed before."""

    delete_data: bool = False


class DeletedData(msgspec.Struct, frozen=True):
    """What was deleted."""

    conversations: int
    api_keys: int
    left: bool


def export(database: Database, contents: Contents, caller: Caller) -> Iterator[bytes]:
    """Yield a JSON object with all data of the caller, in short transactions. The audit log has the export.

    The contents of files come last, one at a time. `base64` is null for one that can't be read.
    """
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject, "key_id": caller.key_id}
    with database.transaction(caller.workspace_id) as tx:
        audit_log.record(tx, caller, "data.exported", caller.subject)
        sections = {name: str(tx.execute(statement, values).scalar_one()) for name, statement in _SECTIONS.items()}
        ids = list(tx.execute(_CONVERSATION_IDS, values).scalars())
    head = ",\n".join(f'"{name}": {rows}' for name, rows in sections.items())
    yield f'{{"subject": {msgspec.json.encode(caller.subject).decode()},\n{head},\n"conversations": ['.encode()
    separator = "\n"
    for start in range(0, len(ids), BATCH):
        with database.transaction(caller.workspace_id) as tx:
            rows = tx.execute(_CONVERSATIONS, values | {"ids": ids[start : start + BATCH]}).scalars().all()
        for row in rows:
            yield f"{separator}{row}".encode()
            separator = ",\n"
    yield b'\n],\n"file_contents": ['
    yield from _export_contents(database, contents, caller)
    yield b"\n]}\n"


def _export_contents(database: Database, contents: Contents, caller: Caller) -> Iterator[bytes]:
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject}
    with database.transaction(caller.workspace_id) as tx:
        rows = tx.execute(_CONTENTS, values).all()
    separator = "\n"
    for row in rows:
        encoded = None
        try:
            content = contents.get(Place(caller.workspace_id, row.id), row.sha256)
            encoded = base64.b64encode(content).decode()
        except HeadwaterError as error:
            logs.event("data.content_not_exported", severity=30, error=error)
        found = {"conversation_id": row.client_id, "sha256": row.sha256, "base64": encoded}
        yield separator.encode() + msgspec.json.encode(found)
        separator = ",\n"


def delete_own(tx: Connection, caller: Caller, *, leave: bool) -> DeletedData:
    """Delete all of the caller's data; with `leave`, their membership and API keys too.

    Raises Conflict if the caller can't leave: the last owner, an API key, or the only caller with `AUTH_MODE=local`.
    """
    if leave and (caller.key_id is not None or caller.subject == LOCAL):
        raise Conflict("Only members can leave a workspace. Delete your data without `leave`.")
    return _delete(tx, caller, caller.subject, leave=leave)


def delete_of_member(tx: Connection, caller: Caller, subject: str) -> DeletedData:
    """Remove a member with all of their data, or delete the data of one who was removed before.

    Raises NotFound if there is no such member and no data, Conflict for the last owner.
    """
    keys.lock_workspace(tx, caller)
    is_member: bool = tx.execute(_IS_MEMBER, {"workspace_id": caller.workspace_id, "subject": subject}).scalar_one()
    deleted = _delete(tx, caller, subject, leave=is_member)
    if not is_member and not deleted.conversations and not deleted.api_keys:
        raise NotFound(f"Member not found: {subject!r}.")
    return deleted


def _delete(tx: Connection, caller: Caller, subject: str, *, leave: bool) -> DeletedData:
    is_other = subject != caller.subject
    subjects, key_ids = [subject], [] if caller.key_id is None or is_other else [caller.key_id]
    if leave or is_other:
        created = tx.execute(_KEYS, {"workspace_id": caller.workspace_id, "subject": subject}).scalars().all()
        key_ids += created
        subjects += [f"{KEY_PREFIX}{key_id}" for key_id in created]
    values = {"workspace_id": caller.workspace_id, "subject": subject, "subjects": subjects, "keys": key_ids}
    conversations = tx.execute(_DELETE_CONVERSATIONS, values).rowcount
    batches = (_DELETE_STEPS, _DELETE_ITEMS, _DELETE_EXTRACTIONS, _DELETE_STANDING, _DELETE_SIGN_INS)
    for statement in (*batches, _ANONYMIZE_USAGE, _DELETE_BUDGETS, _DELETE_RESERVATIONS):
        tx.execute(statement, values)
    end_connections(tx, caller.workspace_id, subjects)
    audit_log.record(tx, caller, "data.deleted", subject, conversations=conversations, left=leave)
    if leave:
        members.remove_member(tx, caller, subject)
    if not (leave or is_other):
        return DeletedData(conversations, 0, left=False)
    tx.execute(_FORGET_ADDED_BY, values)
    return DeletedData(conversations, tx.execute(_DELETE_KEYS, values).rowcount, leave)


_IS_MEMBER = sa.text("""
    select exists (select 1 from members where workspace_id = :workspace_id and subject = :subject)
""")

# The keys that a person created, and those that these keys created.
_KEYS = sa.text("""
    with recursive created (id) as (
      select id from api_keys where workspace_id = :workspace_id and created_by = :subject
      union
      select k.id from api_keys k join created c on k.created_by = 'key:' || c.id where k.workspace_id = :workspace_id)
    select id from created
""")

# Messages, their events, share links and files are deleted with their conversation.
_DELETE_CONVERSATIONS = sa.text("""
    delete from conversations where workspace_id = :workspace_id and subject = any(cast(:subjects as text[]))
""")

# Steps first, as a worker locks its step before the extraction.
_DELETE_STEPS = sa.text("""
    delete from steps where id in (
      select s.id from steps s join runs r on r.id = s.run_id left join extractions e on e.id = r.extraction_id
        left join standing_runs t on t.id = r.standing_run_id
        left join standing_questions q on q.id = t.standing_question_id
      where r.workspace_id = :workspace_id and r.kind in ('extraction', 'standing')
        and coalesce(e.subject, q.subject) = any(cast(:subjects as text[]))
      order by s.id for update of s)
""")

_DELETE_STANDING = sa.text("""
    delete from standing_questions where workspace_id = :workspace_id and subject = any(cast(:subjects as text[]))
""")

_DELETE_ITEMS = sa.text("""
    delete from agent_items where workspace_id = :workspace_id and subject = any(cast(:subjects as text[]))
""")

_DELETE_EXTRACTIONS = sa.text("""
    delete from extractions where workspace_id = :workspace_id and subject = any(cast(:subjects as text[]))
""")

# Costs stay in the sums of the workspace, without who caused them.
_ANONYMIZE_USAGE = sa.text("""
    with moved as (
      delete from usage where workspace_id = :workspace_id
        and (member_id = :subject or key_id = any(cast(:keys as uuid[]))) returning *)
    insert into usage (workspace_id, day, kind, model, input_tokens, cached_tokens, output_tokens, reasoning_tokens,
      calls, unpriced_calls, cost)
    select workspace_id, day, kind, model, sum(input_tokens), sum(cached_tokens), sum(output_tokens),
      sum(reasoning_tokens), sum(calls), sum(unpriced_calls), sum(cost)
    from moved group by workspace_id, day, kind, model
    on conflict on constraint uq_usage do update set
      input_tokens = usage.input_tokens + excluded.input_tokens,
      cached_tokens = usage.cached_tokens + excluded.cached_tokens,
      output_tokens = usage.output_tokens + excluded.output_tokens,
      reasoning_tokens = usage.reasoning_tokens + excluded.reasoning_tokens,
      calls = usage.calls + excluded.calls,
      unpriced_calls = usage.unpriced_calls + excluded.unpriced_calls,
      cost = coalesce(usage.cost + excluded.cost, usage.cost, excluded.cost)
""")

_DELETE_BUDGETS = sa.text("""
    delete from budgets where workspace_id = :workspace_id and (
      (applies_to = 'member' and target = :subject)
      or (applies_to = 'key' and target = any(cast(cast(:keys as uuid[]) as text[]))))
""")

_DELETE_RESERVATIONS = sa.text("""
    delete from reservations where workspace_id = :workspace_id
      and (member_id = :subject or key_id = any(cast(:keys as uuid[])))
""")

_DELETE_SIGN_INS = sa.text("""
    delete from mcp_authorizations where workspace_id = :workspace_id and subject = any(cast(:subjects as text[]))
""")

_DELETE_KEYS = sa.text("""
    delete from api_keys where workspace_id = :workspace_id and id = any(cast(:keys as uuid[]))
""")

_FORGET_ADDED_BY = sa.text("""
    update members set added_by = null where workspace_id = :workspace_id and (added_by = :subject
      or added_by in (select 'key:' || k from unnest(cast(:keys as uuid[])) k))
""")


def _rows(select: str) -> sa.TextClause:
    """Return a statement for the rows of a select as a JSON array."""
    return sa.text(f"select coalesce(cast(json_agg(r) as text), '[]') from ({select}) r")


_SECTIONS = {
    "membership": _rows("""
        select w.name as workspace, m.workspace_id, m.subject, m.name, m.role, m.created_at, m.added_by
        from members m join workspaces w on w.id = m.workspace_id
        where m.workspace_id = :workspace_id and m.subject = :subject"""),
    "api_keys": _rows("""
        select id, name, hint, role, scopes, created_at, expires_at, revoked_at, last_used_at from api_keys
        where workspace_id = :workspace_id and created_by = :subject order by created_at, id"""),
    "extractions": _rows("""
        select e.id, e.question, e.schema, e.model, e.state, e.created_at, e.finished_at, (
          select coalesce(json_agg(json_build_object('document_id', x.document_id, 'title', x.title, 'url', x.url,
            'state', x.state, 'value', x.value, 'citations', x.citations, 'error', x.error) order by x.n), '[]')
          from extraction_rows x where x.workspace_id = e.workspace_id and x.extraction_id = e.id) as rows
        from extractions e where e.workspace_id = :workspace_id and e.subject = :subject
        order by e.created_at, e.id"""),
    "agent_items": _rows("""
        select agent, namespace, key, value, created_at, updated_at, expires_at from agent_items
        where workspace_id = :workspace_id and subject = :subject order by agent, namespace, key"""),
    "standing_questions": _rows("""
        select q.id, q.name, q.question, q.mode, q.agent, q.model, q.filter, q.changes, q.cron, q.time_zone,
          q.on_change, q.callback_url, q.mail_to, q.paused_at, q.created_at, (
          select coalesce(json_agg(json_build_object('id', x.id, 'trigger', x.trigger, 'state', x.state,
            'reason', x.reason, 'conversation_id', x.conversation_id, 'created_at', x.created_at, 'deliveries', (
              select coalesce(json_agg(json_build_object('kind', y.kind, 'address', y.address, 'state', y.state)
                order by y.n), '[]')
              from standing_deliveries y where y.workspace_id = x.workspace_id and y.run_id = x.id))
            order by x.created_at), '[]')
          from standing_runs x where x.workspace_id = q.workspace_id and x.standing_question_id = q.id) as runs
        from standing_questions q where q.workspace_id = :workspace_id and q.subject = :subject
        order by q.created_at, q.id"""),
    "usage": _rows("""
        select day, kind, model, input_tokens, cached_tokens, output_tokens, reasoning_tokens, calls, cost from usage
        where workspace_id = :workspace_id and (member_id = :subject or key_id = cast(:key_id as uuid))
        order by day, kind, model"""),
    "budgets": _rows("""
        select period, amount from budgets
        where workspace_id = :workspace_id and ((applies_to = 'member' and target = :subject)
          or (applies_to = 'key' and target = cast(cast(:key_id as uuid) as text)))"""),
    "reservations": _rows("""
        select amount, expires_at from reservations
        where workspace_id = :workspace_id and (member_id = :subject or key_id = cast(:key_id as uuid))"""),
    "share_links": _rows("""
        select l.id, coalesce(c.client_id, c.id) as conversation_id, l.content, l.created_at, l.expires_at
        from share_links l join conversations c on c.workspace_id = l.workspace_id and c.id = l.conversation_id
        where l.workspace_id = :workspace_id and c.subject = :subject order by l.created_at, l.id"""),
    "audit_log": _rows("""
        select at, action, target, target_name, details, actor = :subject as by_you from audit_log
        where workspace_id = :workspace_id and (actor = :subject or target = :subject) order by id"""),
}

_CONVERSATION_IDS = sa.text("""
    select id from conversations where workspace_id = :workspace_id and subject = :subject order by created_at, id
""")

_CONTENTS = sa.text("""
    select distinct c.id, coalesce(c.client_id, c.id) as client_id, encode(v.sha256, 'hex') as sha256
    from conversations c join file_versions v on v.workspace_id = c.workspace_id and v.conversation_id = c.id
    where c.workspace_id = :workspace_id and c.subject = :subject and v.sha256 is not null order by c.id, sha256
""")

_CONVERSATIONS = sa.text("""
    select cast(json_build_object('id', coalesce(c.client_id, c.id), 'title', c.title, 'pinned', c.pinned,
      'filter', c.filter, 'model', c.model, 'created_at', c.created_at, 'updated_at', c.updated_at,
      'messages', (
        select coalesce(json_agg(json_build_object('id', m.id, 'parent_id', nullif(m.parent_id, m.id), 'role', m.role,
          'parts', m.parts, 'state', m.state, 'notice', m.notice, 'rating', m.rating,
          'rating_reason', m.rating_reason, 'created_at', m.created_at) order by m.ordinal), '[]')
        from messages m where m.workspace_id = c.workspace_id and m.conversation_id = c.id),
      'files', (
        select coalesce(json_agg(json_build_object('id', f.id, 'name', f.name, 'media_type', f.media_type,
          'bytes', f.bytes, 'title', f.title, 'text', f.text, 'created_at', f.created_at)
          order by f.created_at, f.name), '[]')
        from conversation_files f where f.workspace_id = c.workspace_id and f.conversation_id = c.id),
      'file_versions', (
        select coalesce(json_agg(json_build_object('path', v.path, 'version', v.version, 'bytes', v.bytes,
          'sha256', encode(v.sha256, 'hex'), 'message_id', v.message_id, 'created_at', v.created_at)
          order by v.path, v.version), '[]')
        from file_versions v where v.workspace_id = c.workspace_id and v.conversation_id = c.id)) as text)
    from conversations c
    where c.workspace_id = :workspace_id and c.subject = :subject and c.id = any(cast(:ids as text[]))
    order by c.created_at, c.id
""")
