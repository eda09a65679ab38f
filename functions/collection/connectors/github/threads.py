"""What GitHub's REST API says of issues, pull requests and releases, and the documents made of them. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.thread_page import Comment, write_thread
from functions.collection.connectors.thread_walk import Found, fingerprint_of

REVISION = 1
"""Part of fingerprints: another one makes the documents of unchanged threads anew."""

_REVIEWS = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested changes", "DISMISSED": "reviewed (dismissed)"}


class User(msgspec.Struct):
    login: str = ""


class Label(msgspec.Struct):
    name: str = ""


class Merge(msgspec.Struct):
    merged_at: str | None = None


class Thread(msgspec.Struct):
    """An issue, or a pull request as the list of issues has it."""

    number: int
    title: str = ""
    html_url: str = ""
    body: str | None = None
    user: User | None = None
    state: str = ""
    labels: list[Label | str] = []
    created_at: str = ""
    updated_at: str = ""
    comments: int = 0
    pull_request: Merge | None = None

    @property
    def kind(self) -> str:
        return "issues" if self.pull_request is None else "pulls"

    @property
    def label_names(self) -> list[str]:
        return [label if isinstance(label, str) else label.name for label in self.labels]

    @property
    def shown_state(self) -> str:
        return "merged" if self.pull_request and self.pull_request.merged_at else self.state


class Remark(msgspec.Struct):
    """A comment, a review, or a comment on a line of a pull request."""

    body: str | None = None
    user: User | None = None
    html_url: str = ""
    created_at: str = ""
    submitted_at: str | None = None
    state: str = ""
    path: str = ""


class Release(msgspec.Struct):
    tag_name: str
    name: str | None = None
    html_url: str = ""
    body: str | None = None
    author: User | None = None
    draft: bool = False
    prerelease: bool = False
    created_at: str = ""
    published_at: str | None = None


def found_thread(thread: Thread, prefix: str, config: GitHubConfig) -> Found:
    """Compare a thread with the config: what isn't to be collected has no fingerprint."""
    key = f"{prefix}{thread.kind}/{thread.number}"
    wanted = config.issues if thread.kind == "issues" else config.pull_requests
    in_state = config.state in ("all", thread.state)
    if not (wanted and in_state and config.has_label(thread.label_names)):
        return Found(key, "", updated=thread.updated_at)
    seen = (thread.updated_at, thread.title, thread.body, thread.shown_state, thread.label_names, thread.comments)
    return Found(key, fingerprint_of(REVISION, *seen), msgspec.json.encode(thread), thread.updated_at)


def found_release(release: Release, prefix: str) -> Found:
    """Return a release of a list. Drafts are not collected."""
    seen = (release.name, release.body, release.prerelease, release.published_at)
    fingerprint = "" if release.draft else fingerprint_of(REVISION, *seen)
    content = msgspec.json.encode(release)
    return Found(f"{prefix}releases/{release.tag_name}", fingerprint, content, release.published_at or "")


def thread_document(repository: str, thread: Thread, remarks: Iterable[Remark], *, max_bytes: int) -> bytes:
    """Write an issue or a pull request with its comments and reviews, in order of time."""
    comments = sorted(map(_comment, filter(_has_content, remarks)), key=lambda comment: comment.date)
    fields: dict[str, Any] = {
        "kind": "issue" if thread.kind == "issues" else "pull request",
        "repository": repository,
        "number": thread.number,
        "author": login(thread.user),
        "date": thread.created_at,
        "updated": thread.updated_at,
        "state": thread.shown_state,
        "labels": thread.label_names[:100],
    }
    return write_thread(thread.title, thread.body or "", comments, fields, max_bytes=max_bytes)


def release_document(repository: str, release: Release, *, max_bytes: int) -> bytes:
    """Write a release."""
    fields: dict[str, Any] = {
        "kind": "prerelease" if release.prerelease else "release",
        "repository": repository,
        "tag": release.tag_name,
        "author": login(release.author),
        "date": release.published_at or release.created_at,
    }
    return write_thread(release.name or release.tag_name, release.body or "", [], fields, max_bytes=max_bytes)


def login(user: User | None) -> str:
    """Return the name of an author; GitHub shows those of deleted accounts as `ghost`."""
    return user.login if user and user.login else "ghost"


def _has_content(remark: Remark) -> bool:
    return bool((remark.body or "").strip()) or remark.state in _REVIEWS


def _comment(remark: Remark) -> Comment:
    note = _REVIEWS.get(remark.state, "reviewed" if remark.submitted_at else "")
    note = f"on {remark.path}" if remark.path else note
    date = remark.submitted_at or remark.created_at
    return Comment(login(remark.user), date, remark.body or "", remark.html_url, note)
