"""Previews of web pages: shown by their addresses alone, while the page, its conversation and its owner are there."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from werkzeug.test import TestResponse

from functions.chat.files.preview_routes import CONTENT_SECURITY_POLICY, NOT_FOUND, PreviewRoutes
from functions.chat.files.preview_tokens import MAX_AGE_S, Shown, make_token
from headwater.auth.callers import Caller
from headwater.conversations import row_id
from headwater.database.migrations import register_model
from headwater.file_store import versions
from headwater.file_store.contents import Contents
from headwater.file_store.places import Place, Quota
from headwater.file_store.versions import NewVersion, Version
from headwater.web.app import App
from tests.fakes.token_issuer import FakeIssuer, fake_issuer
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp
from tests.harness.jwt_chat import running_jwt_chat

KEY = Fernet.generate_key().decode()
PREVIEW = "/api/conversations/c1/files/preview"
PAGE = b"<title>Tides</title><script>document.title = 'High'</script>"


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with fake_issuer() as made:
        yield made


@pytest.fixture
def app(database: FreshDatabase, issuer: FakeIssuer) -> Iterator[JwtApp]:
    register_model(database.admin_url, "constant", 384)
    with running_jwt_chat(database, issuer, secret_key=KEY) as made:
        yield made


@pytest.fixture
def place(app: JwtApp) -> Place:
    """Ada's conversation with a page. Bob reads her workspace; Eve owns another one."""
    app.person("ada").get("/api/conversations")
    [(workspace_id,)] = app.rows("select id from workspaces")
    app.add_member(workspace_id, "bob", "reader")
    app.person("eve").get("/api/conversations")
    made = Place(workspace_id, row_id(Caller(workspace_id, "ada", "owner"), "c1"))
    app.rows(
        "insert into conversations (workspace_id, id, subject, client_id, title) values (:w, :c, 'ada', 'c1', 'Tides')",
        scope=workspace_id,
        w=workspace_id,
        c=made.conversation_id,
    )
    store(app, made, "dist/index.html", PAGE)
    return made


def store(app: JwtApp, place: Place, path: str, content: bytes | None) -> Version:
    """Add a version of a file, without a content one that says that it was deleted."""
    sha256 = None
    if content is not None:
        [sha256] = Contents(app.database, app.settings).put(place, [content])
    with app.database.transaction(place.workspace_id) as tx:
        new = NewVersion(path, sha256, len(content or b""))
        [added] = versions.add(tx, place, [new], Quota.of(app.settings))
    return added


def preview(app: JwtApp, path: str = "dist/index.html", version: int | None = None, by: str = "ada") -> TestResponse:
    return app.person(by).post(PREVIEW, json={"path": path, "version": version})


def show(app: JwtApp, url: str) -> TestResponse:
    """Open an address as a frame does, without credentials."""
    return app.server.test_client().get(url)


def url_of(app: JwtApp, path: str = "dist/index.html", version: int | None = None) -> str:
    made = preview(app, path, version)
    assert made.status_code == 201, made.data
    url: str = made.get_json()["url"]
    assert show(app, url).status_code == 200
    return url


def assert_not_found(response: TestResponse) -> None:
    assert response.status_code == 404
    assert response.get_json()["detail"] == NOT_FOUND


def test_address_shows_the_page_in_an_origin_of_its_own(app: JwtApp, place: Place) -> None:
    made = preview(app)
    assert made.status_code == 201, made.data
    assert made.headers["Cache-Control"] == "no-store"
    shown = show(app, made.get_json()["url"])
    assert shown.data == PAGE
    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert shown.headers["Content-Disposition"] == "inline; filename=\"index.html\"; filename*=UTF-8''index.html"
    assert shown.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "allow-same-origin" not in CONTENT_SECURITY_POLICY
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Cache-Control"] == "private, no-store"
    assert "Set-Cookie" not in shown.headers


def test_address_shows_its_version(app: JwtApp, place: Place) -> None:
    first = url_of(app)
    store(app, place, "dist/index.html", b"<p>Low</p>")
    assert show(app, first).data == PAGE
    assert show(app, url_of(app)).data == b"<p>Low</p>"
    assert show(app, url_of(app, version=1)).data == PAGE


def test_only_html_files_of_own_conversations_have_a_preview(app: JwtApp, place: Place) -> None:
    store(app, place, "src/main.jsx", b"x")
    store(app, place, "old.html", PAGE)
    store(app, place, "old.html", None)
    for by in ("bob", "eve"):
        assert preview(app, by=by).status_code == 404
    assert app.server.test_client().post(PREVIEW, json={"path": "dist/index.html"}).status_code == 401
    for path in ("none.html", "old.html", "../index.html"):
        assert preview(app, path).status_code == 404
    assert preview(app, version=2).status_code == 404
    refused = preview(app, "src/main.jsx")
    assert refused.status_code == 422
    assert "is not an HTML file" in refused.get_json()["detail"]


def test_forged_and_expired_addresses_show_nothing(app: JwtApp, place: Place) -> None:
    with app.database.transaction(place.workspace_id) as tx:
        version = versions.find(tx, place, "dist/index.html")
    [(other,)] = app.rows("select id from workspaces where id <> :w", w=place.workspace_id)
    now = int(time.time())
    right = Shown(place.workspace_id, version.id)
    assert show(app, f"/api/previews?token={make_token(right, KEY, now)}").data == PAGE
    for shown, key, at in (
        (right, KEY, now - MAX_AGE_S - 1),
        (right, Fernet.generate_key().decode(), now),
        (Shown(other, version.id), KEY, now),
        (Shown(place.workspace_id, uuid.uuid4()), KEY, now),
    ):
        assert_not_found(show(app, f"/api/previews?token={make_token(shown, key, at)}"))
    assert_not_found(show(app, "/api/previews?token=x"))
    for query in ("", "?token=" + "A" * 201):
        assert show(app, f"/api/previews{query}").status_code == 422


def test_address_shows_nothing_once_the_file_was_removed(app: JwtApp, place: Place) -> None:
    url = url_of(app)
    removed = app.person("ada").delete("/api/conversations/c1/files", query_string={"path": "dist/index.html"})
    assert removed.status_code == 204
    assert_not_found(show(app, url))


def test_address_shows_nothing_once_the_conversation_was_deleted(app: JwtApp, place: Place) -> None:
    url = url_of(app)
    assert app.person("ada").delete("/api/conversations/c1").status_code == 204
    assert_not_found(show(app, url))


def test_address_shows_nothing_once_its_owner_has_left(app: JwtApp, place: Place) -> None:
    url = url_of(app)
    app.rows("delete from members where subject = 'ada'", scope=place.workspace_id)
    assert_not_found(show(app, url))


def test_installation_without_a_key_has_no_previews(app: JwtApp, place: Place) -> None:
    url = url_of(app)
    settings = replace(app.settings, secret_key="")
    app.app = App("chat", settings, PreviewRoutes(app.database, settings).routes(), app.database)
    assert "Set SECRET_KEY" in preview(app).get_json()["detail"]
    assert_not_found(show(app, url))
