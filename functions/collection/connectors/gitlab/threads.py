"""What GitLab's API says of issues, merge requests, releases and wiki pages, and the documents made of them. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from functions.collection.connectors.gitlab.config import GitLabConfig
from functions.collection.connectors.thread_page import Comment, write_thread
from functions.collection.connectors.thread_walk import Found, fingerprint_of

REVISION = 1
"""Part of fingerprints: another one makes the documents of unchanged threads anew."""

WIKI_TYPES = {"markdown": "text/markdown", "asciidoc": "text/asciidoc", "org": "text/x-org", "rdoc": "text/plain"}


class User(msgspec.Struct):
    username: str = ""


class Thread(msgspec.Struct):
    """An issue or a merge request."""

    iid: int
    project_id: int
    title: str = ""
    web_url: str = ""
    description: str | None = None
    author: User | None = None
    state: str = ""
    labels: list[str] = []
    created_at: str = ""
    updated_at: str = ""
    user_notes_count: int = 0


class Position(msgspec.Struct):
    new_path: str | None = None


class Note(msgspec.Struct):
    """A comment. GitLab writes `system` ones about changes of labels, commits and the like."""

    id: int
    body: str | None = None
    author: User | None = None
    created_at: str = ""
    system: bool = False
    position: Position | None = None


class Links(msgspec.Struct):
    self: str = ""


class Release(msgspec.Struct):
    tag_name: str
    name: str | None = None
    description: str | None = None
    author: User | None = None
    released_at: str | None = None
    links: Links | None = msgspec.field(default=None, name="_links")


class WikiPage(msgspec.Struct):
    slug: str
    title: str = ""
    content: str = ""
    format: str = "markdown"


def found_thread(thread: Thread, kind: str, prefix: str, config: GitLabConfig) -> Found:
    """Compare a thread with the config: what isn't to be collected has no fingerprint."""
    key = f"{prefix}{kind}/{thread.iid}"
    if not config.is_wanted(thread.state, thread.labels):
        return Found(key, "", updated=thread.updated_at)
    seen = (thread.updated_at, thread.title, thread.description, thread.state, thread.labels, thread.user_notes_count)
    return Found(key, fingerprint_of(REVISION, *seen), msgspec.json.encode(thread), thread.updated_at)


def found_release(release: Release, prefix: str) -> Found:
    """Return a release of a list."""
    fingerprint = fingerprint_of(REVISION, release.name, release.description, release.released_at)
    content = msgspec.json.encode(release)
    return Found(f"{prefix}releases/{release.tag_name}", fingerprint, content, release.released_at or "")


def found_page(page: WikiPage, prefix: str) -> Found:
    """Return a page of a wiki."""
    fingerprint = fingerprint_of(REVISION, page.title, page.content, page.format)
    return Found(f"{prefix}wiki/{page.slug}", fingerprint, msgspec.json.encode(page))


def thread_document(project: str, kind: str, thread: Thread, notes: Iterable[Note], *, max_bytes: int) -> bytes:
    """Write an issue or a merge request with its comments."""
    comments = [_comment(note, thread.web_url) for note in notes if not note.system and (note.body or "").strip()]
    fields: dict[str, Any] = {
        "kind": "issue" if kind == "issues" else "merge request",
        "project": project,
        "number": thread.iid,
        "author": _name(thread.author),
        "date": thread.created_at,
        "updated": thread.updated_at,
        "state": thread.state,
        "labels": thread.labels[:100],
    }
    return write_thread(thread.title, thread.description or "", comments, fields, max_bytes=max_bytes)


def release_document(project: str, release: Release, *, max_bytes: int) -> bytes:
    """Write a release."""
    fields: dict[str, Any] = {
        "kind": "release",
        "project": project,
        "tag": release.tag_name,
        "author": _name(release.author),
        "date": release.released_at or "",
    }
    return write_thread(release.name or release.tag_name, release.description or "", [], fields, max_bytes=max_bytes)


def _comment(note: Note, url: str) -> Comment:
    path = note.position.new_path if note.position else None
    return Comment(
        _name(note.author), note.created_at, note.body or "", f"{url}#note_{note.id}", f"on {path}" if path else ""
    )


def _name(user: User | None) -> str:
    return user.username if user and user.username else "ghost"
