"""Collect in process: the real steps on a real database, each with an empty temporary folder."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from functions.collection.connectors.registry import kind_for_new_source
from functions.collection.pipeline.steps import handlers as collection_handlers
from functions.collection.runs.read import Run, read_run
from functions.collection.runs.start import start_run
from functions.collection.sources import sources
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.sources import NewSource, Source
from functions.embedding.steps import handlers as embedding_handlers
from headwater.config import Settings
from headwater.database.migrations import register_model
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding.hosted.recording import Recorder
from headwater.embedding.registry import Embedders
from headwater.queue.tickets import QUEUES
from headwater.queue.worker import Handler, Worker
from headwater.web.shutdown import Lifetime
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, settings_for


class NoWaker:
    def wake(self, queues: Sequence[str], delay_s: float = 0.0) -> None:
        """Do nothing: the pipeline drains the queues itself."""


class Pipeline:
    """Collects the sources of one workspace."""

    def __init__(self, database: FreshDatabase, workspace_id: uuid.UUID = WORKSPACE, **changes: Any) -> None:
        self.settings: Settings = settings_for(database, **changes)
        self.closing = ExitStack()
        self.database: Database = self.closing.enter_context(connected(database.url, 3))
        self.workspace_id = workspace_id
        self.start_job: Callable[[uuid.UUID], None] | None = None
        self.opener: SourceOpener | None = None

    def add_source(self, url: str | None, token: str | None = None, *, kind: str = "git", **config: Any) -> Source:
        config = config if url is None else {"url": url, **config}
        new = NewSource(kind, "docs", kind_for_new_source(kind).normalise(config), token)
        with self.database.transaction(self.workspace_id) as tx:
            return sources.create_source(tx, self.workspace_id, new, self.settings)

    def start(self, source: Source) -> uuid.UUID:
        with self.database.transaction(self.workspace_id) as tx:
            return start_run(tx, self.workspace_id, source.id, "job")[0]

    def drain(self, stop: Callable[[], bool] = lambda: False, queues: Sequence[str] = QUEUES) -> None:
        """Run every due step, each with an empty temporary folder, as if on another machine."""
        steps = 1
        while steps and not stop():
            due = self._queues_with_due_steps()
            steps = sum(self.step(queue) for queue in queues if queue in due)

    def _queues_with_due_steps(self) -> set[str]:
        """Return the queues that may have a step to claim. Claiming takes ten times as long, mostly for planning."""
        statement = "select distinct queue from steps where state = 'ready' and not_before <= now()"
        with self.database.transaction(ALL_WORKSPACES) as tx:
            return {*tx.execute(sa.text(statement)).scalars()}

    def collect(self, source: Source) -> Run:
        """Collect a source to its end."""
        run_id = self.start(source)
        self.drain()
        return self.read(run_id)

    def end_pauses(self) -> None:
        """Let the pauses of all providers end, and drain: every waiting step is due."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            tx.execute(sa.text("update providers set blocked_until = now()"))
            tx.execute(sa.text("update steps set not_before = now() where state = 'ready'"))
        self.drain()

    def finish(self, started: Mapping[str, Any]) -> Run:
        """Drain until no step is due. Returns the run that a response has started."""
        self.drain()
        return self.read(uuid.UUID(started["run_id"]))

    def read(self, run_id: uuid.UUID) -> Run:
        with self.database.transaction(self.workspace_id) as tx:
            return read_run(tx, run_id)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.transaction(self.workspace_id) as tx:
            return [tuple(row) for row in tx.execute(sa.text(statement), values)]

    def live_keys(self) -> list[str]:
        """Return the keys of the documents that are not deleted."""
        return [key for (key,) in self.rows("select key from documents where deleted_at is null order by key")]

    def links(self) -> list[Any]:
        """Return the links as (key of the document, key of the target or None)."""
        return self.rows("""select d.key, t.key from relations l join documents d on d.id = l.document_id
            left join documents t on t.id = l.target_document_id order by 1, 2""")

    def contents(self) -> tuple[list[Any], ...]:
        """Return all stored content without ids and times: equal for equal sources."""
        documents = "select key, title, text, fingerprint, deleted_at is null, error from documents order by key"
        chunks = """select d.key, ordinal, start_offset, end_offset, heading_path, input_hash, token_count,
            words::text from chunks c join documents d on d.id = c.document_id order by d.key, ordinal"""
        vectors = "select input_hash, embedding::text from vectors order by input_hash"
        relations = """select d.key, l.kind, l.target, l.start_offset, t.key from relations l
            join documents d on d.id = l.document_id left join documents t on t.id = l.target_document_id
            order by d.key, l.start_offset, l.target"""
        return tuple(self.rows(statement) for statement in (documents, chunks, vectors, relations))

    def step(self, queue: str, change: Callable[[Handler], Handler] = lambda handler: handler) -> int:
        """Run the next due step of a queue, with handlers wrapped by `change`. Returns the number of steps: 0 or 1."""
        handlers = {
            **collection_handlers(self.settings, self.start_job, self.opener),
            **embedding_handlers(Embedders(self.settings), Recorder(self.database, self.settings)),
        }
        kinds = {kind: change(handler) for kind, handler in handlers.items()}
        worker = Worker(self.database, self.settings, kinds, waker=NoWaker(), holder="test", lifetime=Lifetime())
        with _empty_tmpdir():
            return worker.drain(queue, stop=iter((False, True)).__next__)


@contextmanager
def running_pipeline(database: FreshDatabase, **changes: Any) -> Iterator[Pipeline]:
    """Open a pipeline on a fresh database whose active model is that of the settings."""
    pipeline = Pipeline(database, **changes)
    if database.model != pipeline.settings.embedding_model:
        register_model(database.admin_url, pipeline.settings.embedding_model, 384)
    with pipeline.closing:
        yield pipeline


@contextmanager
def _empty_tmpdir() -> Iterator[None]:
    before, folder_before = os.environ.get("TMPDIR"), tempfile.gettempdir()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = folder_before
            if before is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = before


class Repository:
    """A Git repository on disk, written with the real git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data = folder / ".git"
        if not data.exists():  # `git init` takes 7 ms
            for part in ("objects", "refs/heads"):
                (data / part).mkdir(parents=True)
            (data / "HEAD").write_text("ref: refs/heads/main\n")

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def write(self, files: Mapping[str, str | bytes | None]) -> str:
        """Write files (None: remove), commit, and return the commit."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        return (self.folder / ".git" / "refs" / "heads" / "main").read_text().strip()

    def git(self, *arguments: str) -> str:
        options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*"]
        options += ["-c", "maintenance.auto=false"]  # or each commit starts another process
        command = ["git", *options, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
