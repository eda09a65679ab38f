"""Call the chat function in process, on a real database with documents."""

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import flask
import sqlalchemy as sa
from werkzeug.test import TestResponse

from functions.chat.models.rerankers import load_reranking
from functions.chat.retrieval.search import halfvec
from functions.chat.routes import routes
from headwater.config import Settings
from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.embedding.base import Embedder, embedding_input, input_hash
from headwater.embedding.constant import ConstantEmbedder
from headwater.outbound.sockets import Lookup
from headwater.queue.tickets import Ticket, Tickets
from headwater.web.app import App, Call, Reply
from headwater.web.shutdown import Lifetime
from headwater.words.analysis import count_words, sparse_vector
from tests.harness.databases import FreshDatabase, connected
from tests.harness.support import WORKSPACE, closing_client, settings_for


class StreamEvent(NamedTuple):
    """One server-sent event. `id` is 0 if it has none; `part` is decoded JSON, or a string if it is not JSON."""

    id: int
    part: Any


class ChatApp:
    """One instance of the chat function, and a workspace with documents."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        embedder: Callable[[str], Embedder],
        lookup: Lookup = socket.getaddrinfo,
    ) -> None:
        self.settings = settings
        self.database = database
        self.workspace_id = settings.local_workspace_id
        self.lifetime = Lifetime()
        reranking = load_reranking(self.settings)
        self.tickets = Tickets(database, settings, watchdog="chat") if settings.chat_url else None
        served = routes(
            self.database,
            self.settings,
            embedder,
            self.lifetime,
            reranking=reranking,
            tickets=self.tickets,
            lookup=lookup,
        )
        self._drain = next((route for route in served if route.path == "/tasks/drain"), None)
        app = App("chat", self.settings, served, self.database)
        server = flask.Flask("chat")
        methods = ["GET", "POST", "DELETE", "PATCH", "PUT"]
        server.add_url_rule("/<path:path>", "all", lambda path: app(flask.request), methods=methods)
        self.client = server.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {settings.local_token}"

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement in the workspace and return its rows as tuples."""
        with self.database.transaction(self.workspace_id) as tx:
            result = tx.execute(sa.text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def add_source(self) -> uuid.UUID:
        """Insert a source, and its workspace if it is missing."""
        [(source_id,)] = self.rows(
            """with workspace as (insert into workspaces (id, name) values (:w, 'test') on conflict do nothing)
            insert into sources (workspace_id, kind, name, config) values (:w, 'git', 't', '{}') returning id""",
            w=self.workspace_id,
        )
        return uuid.UUID(str(source_id))

    def add_document(
        self,
        key: str,
        text: str,
        *,
        title: str = "",
        headings: Sequence[str] = (),
        cuts: Sequence[int] = (),
        source_id: uuid.UUID | None = None,
        vectors: Sequence[Sequence[float]] | None = None,
    ) -> uuid.UUID:
        """Insert a document with chunks that end at `cuts`, as the collection function does.

        `vectors` has one per chunk; None embeds the chunks with the constant embedder, () stores no vectors.
        """
        source_id = source_id or self.add_source()
        document = {"w": self.workspace_id, "s": source_id, "key": key, "title": title, "text": text}
        with self.database.transaction(self.workspace_id) as tx:
            document_id: uuid.UUID = tx.execute(_DOCUMENT, document).scalar_one()
            for n, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(text)], strict=True)):
                embedded = embedding_input(title, headings, text[start:end])
                words = count_words(embedded, "en")
                chunk = {"w": self.workspace_id, "d": document_id, "n": n, "s": start, "e": end, "h": list(headings)}
                chunk |= {"hash": input_hash(embedded), "words": sparse_vector(words), "count": sum(words.values())}
                tx.execute(_CHUNK, chunk)
                if vectors is None or vectors:
                    vector = ConstantEmbedder().embed_query(embedded) if vectors is None else vectors[n]
                    values = {"w": self.workspace_id, "hash": chunk["hash"], "v": halfvec(list(vector))}
                    tx.execute(_VECTOR, values)
        return document_id

    def drain(self, *, watch: bool = False) -> int:
        """Handle a ticket of the queue, as Cloud Tasks would send it. Returns the number of steps that it ran."""
        assert self._drain
        ticket = Ticket("chat", uuid.uuid4(), watch)
        request = flask.Request({})
        reply: Reply = self._drain.handle(Call(request, "r", {}, None, ticket, None))
        return int(reply.body["steps"])

    def search(self, **query: Any) -> list[dict[str, Any]]:
        """Search and return the hits."""
        response = self.client.get("/api/search", query_string=query)
        assert response.status_code == 200, response.data
        hits: list[dict[str, Any]] = response.get_json()["hits"]
        return hits

    def post(self, conversation_id: str, text: str, message_id: str = "m1", **body: Any) -> TestResponse:
        """Ask a question. Reads only the first events of the answer."""
        message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
        return self.client.post("/api/chat", json={"id": conversation_id, "messages": [message], **body})

    def ask(self, conversation_id: str, text: str, message_id: str = "m1", **body: Any) -> list[StreamEvent]:
        """Ask a question and read the whole answer."""
        with self.post(conversation_id, text, message_id, **body) as response:
            assert response.status_code == 200, response.data
            return parse_events(response.data)

    def messages(self, conversation_id: str) -> list[dict[str, Any]]:
        """Return a conversation's messages."""
        response = self.client.get(f"/api/conversations/{conversation_id}")
        assert response.status_code == 200, response.data
        messages: list[dict[str, Any]] = response.get_json()["messages"]
        return messages


_DOCUMENT = sa.text("""
    insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text, language)
    values (:w, :s, :key, 'f', :title, 'text/markdown', :text, 'en') returning id
""")

_CHUNK = sa.text("""
    insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
      token_count, words, word_count)
    values (:w, :d, :n, :s, :e, :h, :hash, 1, cast(:words as sparsevec), :count)
""")

_VECTOR = sa.text("""
    insert into vectors (model_id, workspace_id, input_hash, embedding)
    select id, :w, :hash, cast(:v as halfvec) from embedding_models where state = 'active'
    on conflict do nothing
""")


def message_text(message: dict[str, Any]) -> str:
    """Return the text of a stored message."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


_USING_THE_DATABASE = {"watchdog", "title", "token-batches"}
"""The app's threads that may still use the database after a response. They end soon."""


def wait_for_threads() -> None:
    """Wait for the threads that may still use the database."""
    for thread in threading.enumerate():
        if thread.name in _USING_THE_DATABASE:
            thread.join()


RunApp = Callable[..., AbstractContextManager[ChatApp]]
"""Run an app with changes of the settings."""


@contextmanager
def running_chat_app(database: FreshDatabase, **changes: Any) -> Iterator[ChatApp]:
    """Run an app on a fresh database whose active model is `constant`."""
    if database.model != "constant":
        register_model(database.admin_url, "constant", 384)
    with second_instance(database, **changes) as app:
        yield app


@contextmanager
def second_instance(
    database: FreshDatabase,
    *,
    embedder: Callable[[str], Embedder] = lambda name: ConstantEmbedder(),
    workspace_id: uuid.UUID = WORKSPACE,
    lookup: Lookup = socket.getaddrinfo,
    connections: Database | None = None,
    **changes: Any,
) -> Iterator[ChatApp]:
    """Run another instance on a database that is set up. Models write no titles by default.

    It shares `connections` with others, or has its own.
    """
    settings = settings_for(database, local_workspace_id=workspace_id, **{"chat_titles": False, **changes})
    with nullcontext(connections) if connections else connected(database.url, 4) as open_database:
        app = ChatApp(open_database, settings, embedder, lookup)
        with closing_client(app.tickets) if app.tickets else nullcontext():
            yield app
            wait_for_threads()


def parse_events(stream: bytes) -> list[StreamEvent]:
    """Parse server-sent events, without comments."""
    events = []
    for block in stream.decode().split("\n\n"):
        if block and not block.startswith(":"):
            *id_lines, data_line = block.split("\n")
            data = data_line.removeprefix("data: ")
            number = int(id_lines[0].removeprefix("id: ")) if id_lines else 0
            events.append(StreamEvent(number, json.loads(data) if data[0] == "{" else data))
    return events


def event_types(events: Sequence[StreamEvent]) -> list[str]:
    """Return the types of events, with consecutive equal types as one, without those that tell a silence."""
    types = [event.part["type"] if isinstance(event.part, dict) else event.part for event in events]
    types = [kind for kind in types if kind != "data-thinking"]
    return [kind for before, kind in zip([None, *types], types, strict=False) if kind != before]


def text_of(events: Sequence[StreamEvent]) -> str:
    """Return the text of an answer."""
    return "".join(event.part["delta"] for event in events if event_types([event]) == ["text-delta"])
