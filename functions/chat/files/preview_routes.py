"""The routes of previews: a web page of a conversation, for a frame that can't reach the web app."""

import datetime as dt
import time
from typing import Annotated, Any
from urllib.parse import quote

import flask
import msgspec
import sqlalchemy as sa
from msgspec import Meta

from functions.chat.files.media_types import media_type
from functions.chat.files.preview_tokens import MAX_AGE_S, Shown, make_token, read_token
from headwater.config import Settings
from headwater.conversations import check_conversation_id
from headwater.database.transactions import Database
from headwater.errors import NotFound, UnprocessableContent
from headwater.file_store import versions
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place
from headwater.web.app import Call, Reply, Route
from headwater.web.disposition import content_disposition

CONTENT_SECURITY_POLICY = (
    "sandbox allow-scripts allow-forms; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""`sandbox` without `allow-same-origin` gives the page an origin of its own. The Worker sends the same policy."""

NOT_FOUND = "This preview has expired, or its file was removed. Open it again from its conversation."


class NewPreview(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page, an HTML file, and which version; the current one by default."""

    path: Annotated[str, Meta(max_length=1_000)]
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class Preview(msgspec.Struct, frozen=True):
    """The address of a page, relative to this server's. It works without sign-in until `expires_at`."""

    url: str
    expires_at: dt.datetime


class PreviewQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a preview. In the query, because the functions log the paths of requests."""

    token: Annotated[str, Meta(max_length=200)]


class PreviewRoutes:
    """Handlers that make and show previews."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.contents = Contents(database, settings)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                "POST",
                "/api/conversations/<id>/files/preview",
                self.create_preview,
                "Preview a web page of a conversation",
                body=NewPreview,
                returns=Preview,
                status=201,
            ),
            Route(
                "GET",
                "/api/previews",
                self.get_preview,
                "Show a preview",
                query=PreviewQuery,
                others=((200, "text/html"),),
                access="signed",
            ),
        ]

    def create_preview(self, call: Call) -> Reply:
        """Make an address that shows an HTML file of one of the caller's conversations for 15 minutes.

        The page's scripts run, in an origin of their own: they reach neither this API nor what the web app stores.
        """
        new: NewPreview = call.body
        with self.database.transaction(call.workspace_id) as tx:
            place = versions.find_place(tx, call.caller, check_conversation_id(call.path["id"]))
            version = versions.find(tx, place, new.path, new.version)
        if media_type(version.path) != "text/html":
            raise UnprocessableContent(f"{version.path} is not an HTML file. Only HTML files have a preview.")
        if not self.settings.secret_key:
            raise UnprocessableContent("Set SECRET_KEY on this installation first: it signs the addresses of previews.")
        now = int(time.time())
        token = make_token(Shown(call.workspace_id, version.id), self.settings.secret_key, now)
        expires_at = dt.datetime.fromtimestamp(now + MAX_AGE_S, dt.UTC)
        return Reply(Preview(f"/api/previews?token={quote(token)}", expires_at), 201, {"Cache-Control": "no-store"})

    def get_preview(self, call: Call) -> flask.Response:
        """Show the page of a preview. The token in its address, which was made for it, is the only credential."""
        key = self.settings.secret_key
        shown = read_token(call.args.token, key, int(time.time())) if key else None
        row = shown and self._find(shown)
        if not shown or not row:
            raise NotFound(NOT_FOUND)
        content = self.contents.get(Place(shown.workspace_id, row.conversation_id), row.sha256)
        response = flask.Response(content, content_type="text/html; charset=utf-8")
        response.headers["Content-Disposition"] = content_disposition("inline", row.path.rpartition("/")[2])
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def _find(self, shown: Shown) -> Any:
        """Return the row of the version, None if it or its conversation was deleted or its owner has left."""
        values = {"workspace_id": shown.workspace_id, "version_id": shown.version_id}
        with self.database.transaction(shown.workspace_id) as tx:
            return tx.execute(_SHOWN, values).one_or_none()


_SHOWN = sa.text("""
    select v.conversation_id, v.path, encode(v.sha256, 'hex') as sha256
    from file_versions v join conversations c on c.workspace_id = v.workspace_id and c.id = v.conversation_id
    where v.workspace_id = :workspace_id and v.id = :version_id and v.sha256 is not null
      and (c.subject = 'local'
        or exists (select 1 from members m where m.workspace_id = c.workspace_id and m.subject = c.subject)
        or exists (select 1 from api_keys k where k.workspace_id = c.workspace_id and 'key:' || k.id = c.subject
          and k.revoked_at is null and coalesce(k.expires_at > now(), true)))
""")
