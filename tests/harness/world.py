"""The functions as they are deployed, with tokens of an issuer, and a workspace that has one of each resource."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import sqlalchemy as sa
from cryptography.fernet import Fernet

from headwater.auth.callers import ROLES, Caller
from headwater.conversations import row_id
from headwater.database.migrations import register_model
from headwater.database.transactions import Database
from headwater.web.app import Route
from headwater.words.analysis import count_words, sparse_vector
from tests.fakes.token_issuer import AUDIENCE, ISSUER, FakeIssuer, fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function

URL = "http://127.0.0.1:9"
INVOKER = "headwater-invoker@p.iam.gserviceaccount.com"
UNKNOWN = str(uuid.uuid4())
SECRET = "treasure"
"""Text in every row of Ada's workspace."""

REQUIRED_FIELDS: dict[str, Any] = {
    "/api/mcp-servers/<uuid:id>/authorize": {"redirect_uri": "https://app.example/callback"},
    "/api/sources/<uuid:id>/removals/accept": {"run_id": UNKNOWN},
    "/api/sources/<uuid:id>/removals/refuse": {"run_id": UNKNOWN},
    "/api/documents/<uuid:id>": {"placement": None},
    "/api/conversations/<id>/messages/<uuid:message_id>/feedback": {"rating": None},
    "/api/conversations/<id>/branch": {"message_id": UNKNOWN},
    "/api/conversations/<id>/files/preview": {"path": "a.html"},
    "/api/embedding-models": {"name": "constant"},
    "/api/models": {"allowed": None},
    "/api/prompts/<name>": {"input": {}},
    "/api/budgets": {"budgets": []},
    "/api/sources/<uuid:id>/documents": {"key": "a.md", "text": "Text."},
    "/api/sources/<uuid:id>/uploads": {"path": "a.md", "bytes": 1, "sha256": "0" * 64},
}
"""Bodies of routes with required fields."""

BODIES: dict[str, Any] = {
    **REQUIRED_FIELDS,
    "/api/chat": {"id": "mine", "messages": [{"role": "user", "parts": [{"type": "text", "text": "The secret?"}]}]},
    "/api/search": {"q": "what is the secret"},
    "/v1/embeddings": {"input": "x", "model": "constant"},
}

QUERIES = {
    "GET /api/search": "?q=what+is+the+secret",
    "GET /api/conversation-files": "?conversation_id=c1",
    "PUT /api/conversation-files": "?conversation_id=c1&name=a.md",
}
"""Queries of routes that need one."""


@dataclass(frozen=True)
class World:
    """Ada's workspace, the functions, and the issuers of tokens."""

    clients: Mapping[str, httpx.Client]
    issuer: FakeIssuer
    google: FakeIssuer
    database: Database
    workspace_id: uuid.UUID
    ids: Mapping[str, str]
    """Ids of Ada's resources, by the path's prefix."""
    message_id: str
    """Id of an answer to Ada."""

    def call(
        self, name: str, route: Route, authorization: str | None, *, existing: bool, **headers: str
    ) -> httpx.Response:
        """Call a route with a valid body, and with Ada's ids or unknown ones."""
        all_headers = {"Authorization": authorization} | headers if authorization is not None else headers
        path = (
            route.path.replace("<int:id>", "999")
            .replace("<int:number>", "1")
            .replace("<uuid:message_id>", self.message_id)
            .replace("<name>", "none")
        )
        for prefix, known_id in self.ids.items():
            if path.startswith(prefix) and "<" in path:
                before, after = path[: path.index("<")], path[path.index(">") + 1 :]
                path = before + (known_id if existing else UNKNOWN) + after
        assert "<" not in path, "a new kind of id: add it to `_fill`"
        body = json.dumps(BODIES.get(route.path, {})).encode() if route.body is not None else None
        of_files = path.endswith(("/files", "/files/content", "/files/changes"))
        query = QUERIES.get(f"{route.method} {path}") or ("?path=a.md" if of_files else "")
        return self.clients[name].request(route.method, path + query, content=body, headers=all_headers)

    def token(self, subject: str, **changes: Any) -> str:
        return f"Bearer {self.issuer.token(subject, **changes)}"

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.database.transaction(self.workspace_id) as tx:
            result = tx.execute(sa.text(statement), {"w": self.workspace_id, **values})
            return [tuple(row) for row in result] if result.returns_rows else []


@contextmanager
def running_world(fresh: FreshDatabase, free_port: Callable[[], int]) -> Iterator[World]:
    """Serve the functions in front of a database with Ada's workspace, until the block ends."""
    register_model(fresh.admin_url, "constant", 384)
    with fake_issuer() as issuer, fake_issuer("RS256") as google, closing(Database(fresh.url, 1)) as database:
        environment = {
            "DATABASE_URL": fresh.url,
            "EMBEDDING_MODEL": "constant",
            "SECRET_KEY": Fernet.generate_key().decode(),
            "AUTH_MODE": "jwt",
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_JWKS_URL": issuer.url,
            "GOOGLE_JWKS_URL": google.url,
            "TASKS_ENDPOINT": URL,
            "COLLECTION_URL": URL,
            "EMBEDDING_URL": URL,
            "INVOKER_SERVICE_ACCOUNT": INVOKER,
        }
        with (
            serve_function("chat", free_port(), environment) as chat,
            serve_function("collection", free_port(), environment) as collection,
            serve_function("embedding", free_port(), environment) as embedding,
        ):
            clients = {"chat": chat, "collection": collection, "embedding": embedding}
            ada = {"Authorization": f"Bearer {issuer.token('ada')}"}
            workspace_id = uuid.UUID(collection.get("/api/me", headers=ada).json()["workspace_id"])
            ids = _fill(database, workspace_id)
            assert SECRET in chat.post("/api/chat", json=BODIES["/api/chat"] | {"id": "c1"}, headers=ada).text
            link = chat.post("/api/conversations/c1/links", json={"passages": True}, headers=ada).json()
            ids["/api/share-links/"] = link["id"]
            with database.transaction(workspace_id) as tx:
                [answer_id] = tx.execute(sa.text("select id from messages where role = 'assistant'")).scalars()
            yield World(clients, issuer, google, database, workspace_id, ids, str(answer_id))


FILL = """
    with source as (
      insert into sources (workspace_id, kind, name, config)
      values (:w, 'git', :s, jsonb_build_object('url', 'https://git.example/' || :s)) returning id
    ), run as (
      insert into runs (workspace_id, source_id, kind, engine, state, counts, finished_at)
      select :w, id, 'collect', 'tickets', 'succeeded', '{}', now() from source returning id
    ), item as (
      insert into run_items (run_id, workspace_id, key, action, warning) select id, :w, :s, 'added', :s from run
    ), document as (
      insert into documents (workspace_id, source_id, key, fingerprint, title, media_type, text)
      select :w, id, :s, 'f', :s, 'text/markdown', 'The secret: ' || :s from source returning id
    ), chunk as (
      insert into chunks (workspace_id, document_id, ordinal, start_offset, end_offset, heading_path, input_hash,
        token_count, words, word_count)
      select :w, id, 0, 0, 19, '{}', '\\x00', 3, cast(:words as sparsevec), 2 from document
    ), key as (
      insert into api_keys (workspace_id, name, hash, hint, role, created_by)
      values (:w, :s, '\\x00', '', 'reader', 'ada') returning id
    ), file as (
      insert into uploaded_files (id, workspace_id, source_id, path, bytes, sha256)
      select gen_random_uuid(), :w, id, :s, 1, '\\x00' from source returning id
    ), file_upload as (
      insert into file_uploads (id, workspace_id, source_id, path, bytes, sha256, expires_at)
      select gen_random_uuid(), :w, id, :s, 1, '\\x00', now() + interval '1 day' from source returning id
    ), conversation as (
      insert into conversations (workspace_id, id, subject, client_id, title)
      values (:w, :attached_to, 'ada', 'c1', :s) returning workspace_id, id
    ), attached as (
      insert into conversation_files (workspace_id, conversation_id, name, media_type, bytes, title, text, language,
        warnings, chunks)
      select workspace_id, id, :s, 'text/markdown', 1, :s, 'The secret: ' || :s || ', an amulet', 'en', '[]', 1
      from conversation
      returning id
    ), attached_chunk as (
      insert into conversation_chunks (workspace_id, file_id, ordinal, start_offset, end_offset, heading_path, words,
        word_count)
      select :w, id, 0, 0, 19, '{}', cast(:words as sparsevec), 2 from attached
    ), content as (
      insert into file_contents (workspace_id, conversation_id, sha256, bytes)
      select :w, id, '\\x00', 1 from conversation
    ), version as (
      insert into file_versions (workspace_id, conversation_id, path, version, sha256, bytes)
      select :w, id, p, 1, '\\x00', 1 from conversation, unnest(array['a.md', :s]) p
    ), server as (
      insert into mcp_servers (workspace_id, name, url, tools, left_out)
      values (:w, 's', 'https://' || :s || '.example', '[]', '[]') returning id
    ), extraction as (
      insert into extractions (workspace_id, subject, role, question, schema)
      values (:w, 'ada', 'owner', :s, '{}') returning id
    ), extraction_row as (
      insert into extraction_rows (extraction_id, workspace_id, n, document_id, title)
      select id, :w, 1, gen_random_uuid(), :s from extraction
    ), standing_question as (
      insert into standing_questions (workspace_id, subject, name, question, mode)
      values (:w, 'ada', :s, :s, 'documents') returning id
    ), standing_run as (
      insert into standing_runs (workspace_id, standing_question_id, trigger, due_at, state, finished_at)
      select :w, id, 'request', now(), 'complete', now() from standing_question returning id
    ), standing_delivery as (
      insert into standing_deliveries (run_id, workspace_id, n, kind, address)
      select id, :w, 0, 'mail', :s || '@x.example' from standing_run
    ), remembered as (
      insert into agent_items (workspace_id, agent, subject, namespace, key, value, bytes)
      values (:w, 'support', :s, array['memories'], 'k', '{}', 2)
    ), roles as (
      insert into members (workspace_id, subject, role) select :w, r, r from unnest(cast(:roles as text[])) r
    )
    select source.id, run.id, document.id, key.id, file.id, file_upload.id, attached.id,
      extraction.id, server.id, standing_question.id
    from source, run, document, key, file, file_upload, attached, extraction, server, standing_question
"""


def _fill(database: Database, workspace_id: uuid.UUID) -> dict[str, str]:
    """Insert one of each resource into Ada's workspace. Return their ids by the path's prefix."""
    with database.transaction(workspace_id) as tx:
        words = sparse_vector(count_words("The secret", "en"))
        values = {"w": workspace_id, "s": SECRET, "roles": list(ROLES), "words": words}
        values["attached_to"] = row_id(Caller(workspace_id, "ada", "owner"), "c1")
        row = tx.execute(sa.text(FILL), values).one()
    kinds = ["sources", "runs", "documents", "keys", "files", "uploads", "conversation-files"]
    kinds += ["extractions", "mcp-servers", "standing-questions"]
    ids = {f"/api/{kind}/": str(id_) for kind, id_ in zip(kinds, row, strict=True)}
    return ids | {"/api/members/": "owner", "/api/conversations/": "c1", "/api/chat/": "c1"}
