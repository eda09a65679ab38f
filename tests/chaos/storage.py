"""The schedule's database, seen by its owner: read results, refuse writes, hold commits open.

The product does not know the schema `chaos`. Statement-level triggers raise 53100 for the tables in `chaos.full_disks`.
A deferred trigger counts finished steps right before their commit, and holds those in `chaos.held`. `vectors.stored_at`
is the time at which a text's vector was written.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pg8000.dbapi

from scripts.local.postgres import Cluster

TABLES = ("documents", "chunks", "relations", "vectors", "run_items", "steps", "runs", "sources", "tickets")
HOLD_S = 0.4

Rows = list[tuple[Any, ...]]


class Run(NamedTuple):
    """A run and its source."""

    id: str
    source_id: str
    state: str


class Storage:
    """A database seen by its owner. Connects when needed, since the server is restarted."""

    def __init__(self, cluster: Cluster, database: str) -> None:
        self.cluster = cluster
        self.database = database
        self._local = threading.local()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        """Run one statement on this thread's connection. Raises OSError or pg8000's errors."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self.cluster.connect(self.database)
            connection.autocommit = True
            self._local.connection = connection
        try:
            cursor = connection.cursor()
            cursor.execute(statement, tuple(values))
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        except Exception:
            self.forget()
            raise

    def forget(self) -> None:
        """Close this thread's connection."""
        connection, self._local.connection = getattr(self._local, "connection", None), None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def prepare(self) -> None:
        """Create the schema `chaos`."""
        self.cluster.execute(*_PREPARE, database=self.database)
        for table in TABLES:
            self.cluster.execute(_REFUSE.format(table=table), database=self.database)

    def clear(self) -> None:
        """Delete all rows of a schedule and reset the counters."""
        self.rows("truncate headwater.sources, headwater.vectors, headwater.tickets, headwater.providers cascade")
        self.rows("truncate chaos.full_disks, chaos.held")
        self.rows("alter sequence chaos.done restart")

    def hold(self, numbers: Sequence[int]) -> None:
        """Hold the commits of these steps, counted from 1."""
        for number in numbers:
            self.rows("insert into chaos.held values (%s, %s)", (number, HOLD_S))

    def done(self) -> int:
        """Count the finished steps, including those about to commit."""
        return int(self.rows("select case when is_called then last_value else 0 end from chaos.done")[0][0])

    def fill(self, tables: Sequence[str]) -> None:
        """Refuse writes to these tables."""
        for table in tables:
            self.rows("insert into chaos.full_disks values (%s) on conflict do nothing", (table,))

    def free(self) -> None:
        """Accept writes again."""
        self.rows("delete from chaos.full_disks")

    def open_work(self) -> tuple[int, int]:
        """Count open and queued runs, and open steps."""
        queued = "select count(*) from headwater.sources where queued_trigger is not null"
        runs = f"select count(*) + ({queued}) from headwater.runs where state = 'running'"
        steps = "select count(*) from headwater.steps where state in ('ready', 'running')"
        found = self.rows(f"select ({runs}), ({steps})")[0]
        return int(found[0]), int(found[1])

    def runs(self) -> list[Run]:
        """Return the runs, oldest first."""
        found = self.rows("select id, source_id, state from headwater.runs order by created_at")
        return [Run(str(id_), str(source_id), state) for id_, source_id, state in found]

    def ids(self) -> dict[str, str]:
        """Return the ids of live documents by key."""
        return {str(key): str(id_) for key, id_ in self.rows(_LIVE)}

    def moves(self) -> list[tuple[str, str]]:
        """Return the documents that the newest run moves, even if it can't read them: old and new keys."""
        return [(str(old), str(key)) for old, key in self.rows(_MOVES)]

    def found_twice(self) -> list[str]:
        """Return the new keys of documents that are now at their old key too."""
        return [str(row[0]) for row in self.rows(_FOUND_TWICE)]

    def stored_at(self) -> dict[str, float]:
        """Return when each vector was stored, by its text's hash (hex)."""
        found = self.rows("select encode(input_hash, 'hex'), extract(epoch from stored_at) from headwater.vectors")
        return {hash_: float(at) for hash_, at in found}

    def retried(self) -> set[str]:
        """Return the hashes (hex) whose steps failed or lost a lease, according to the ledger."""
        return {
            str(row[0])
            for row in self.rows("""
                select encode(c.input_hash, 'hex')
                from headwater.steps s cross join jsonb_array_elements_text(s.payload -> 'chunks') as p (id)
                join headwater.chunks c on c.id = p.id::bigint
                where s.kind = 'embed' and (s.attempt > 0 or s.lost > 0)
            """)
        }

    def contents(self) -> dict[str, Rows]:
        """Return everything that a schedule leaves, without ids and times: equal for equal schedules."""
        return {name: self.rows(statement) for name, statement in _CONTENTS.items()}


@contextlib.contextmanager
def outages_ignored() -> Iterator[None]:
    """Ignore database errors while the server is down."""
    with contextlib.suppress(OSError, pg8000.dbapi.Error):
        yield


_LIVE = "select key, id from headwater.documents where deleted_at is null"

_MOVES = """
    select from_key, key from headwater.run_items where action = 'moved'
      and run_id = (select id from headwater.runs order by created_at desc limit 1)
"""

# Pages that swapped their keys are at both.
_FOUND_TWICE = """
    select i.key from headwater.runs r join headwater.run_items i on i.run_id = r.id and i.action = 'moved'
    join headwater.documents new on new.source_id = r.source_id and new.key = i.key and new.deleted_at is null
    join headwater.documents old on old.source_id = r.source_id and old.key = i.from_key and old.deleted_at is null
    where r.state = 'running'
      and not exists (select 1 from headwater.run_items o where o.run_id = r.id and o.key = i.from_key)
"""

_PREPARE = (
    "create schema chaos",
    "create table chaos.full_disks (name text primary key)",
    "create table chaos.held (number bigint, seconds double precision)",
    "create sequence chaos.done",
    """
    create function chaos.refuse() returns trigger language plpgsql security definer as $$
    begin
      if exists (select 1 from chaos.full_disks where name = tg_table_name) then
        raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
      end if;
      return null;
    end $$
    """,
    """
    create function chaos.hold() returns trigger language plpgsql security definer as $$
    declare
      this bigint := nextval('chaos.done');
    begin
      perform pg_sleep(seconds) from chaos.held where number = this;
      return null;
    end $$
    """,
    """
    create constraint trigger chaos_hold after update of state on headwater.steps deferrable initially deferred
    for each row when (old.state = 'running' and new.state = 'done') execute function chaos.hold()
    """,
    "alter table headwater.vectors add column stored_at timestamptz default clock_timestamp()",
)

_REFUSE = """
    create trigger chaos_refuse before insert or update or delete on headwater.{table}
    for each statement execute function chaos.refuse()
"""

# Uploaded files have random versions. How many runs collect them, or what webhooks report, depends on when they come;
# so do the texts that are replaced before a run sees them. Mailboxes are numbered by the time.
_CONTENTS = {
    "documents": """
        select s.name, key, title, encode(sha256(convert_to(text, 'utf8')), 'hex'),
          case when s.kind <> 'uploads' then fingerprint end, case when s.kind <> 'uploads' then url end, media_type,
          front_matter::text, error, deleted_at is not null
        from headwater.documents d join headwater.sources s on s.id = d.source_id order by s.name, key
    """,
    "chunks": """
        select d.key, ordinal, start_offset, end_offset, heading_path, encode(input_hash, 'hex'), token_count,
          md5(words::text)
        from headwater.chunks c join headwater.documents d on d.id = c.document_id order by d.key, ordinal
    """,
    "vectors": """
        select m.name, encode(input_hash, 'hex'), md5(embedding::text)
        from headwater.vectors v join headwater.embedding_models m on m.id = v.model_id
        where exists (select 1 from headwater.chunks c where c.input_hash = v.input_hash)
          or not exists (select 1 from headwater.sources where webhook_secret is not null)
        order by 1, 2
    """,
    "relations": """
        select d.key, l.kind, l.target, l.start_offset, l.end_offset, t.key
        from headwater.relations l join headwater.documents d on d.id = l.document_id
        left join headwater.documents t on t.id = l.target_document_id order by d.key, l.start_offset, l.target
    """,
    "items": """
        select s.name, dense_rank() over (partition by s.id order by r.created_at), i.key, i.action, i.from_key,
          i.state, i.fingerprint, i.batch, i.reason, i.warning
        from headwater.run_items i join headwater.runs r on r.id = i.run_id
        join headwater.sources s on s.id = r.source_id where s.webhook_secret is null order by 1, 2, 3
    """,
    "runs": """
        select s.name, row_number() over (partition by s.id order by r.created_at), r.kind, r.state,
          case when s.kind <> 'mail' then r.snapshot end, total, counts::text, r.pending_removals, error::text
        from headwater.runs r join headwater.sources s on s.id = r.source_id
        where s.webhook_secret is null order by 1, 2
    """,
    "failed runs": """
        select s.name, r.state, r.error::text from headwater.runs r join headwater.sources s on s.id = r.source_id
        where s.webhook_secret is not null and r.state <> 'succeeded' order by 1, 2
    """,
    "deliveries": """
        select s.name, count(*) from headwater.webhook_deliveries d join headwater.sources s on s.id = d.source_id
        group by s.name order by s.name
    """,
    "files": """
        select s.name, f.path, f.bytes, f.replaced_at is null
        from headwater.uploaded_files f join headwater.sources s on s.id = f.source_id order by 1, 2, 3, 4
    """,
    "sources": """
        select name, case when kind <> 'mail' and webhook_secret is null then snapshot end,
          embedded_model_id is not null,
          pending_removals::text, queued_trigger
        from headwater.sources order by name
    """,
}
