"""Make the documents of a GitLab source: threads with their comments, releases, and wiki pages."""

import re
from typing import TypeVar
from urllib.parse import quote

import msgspec

from functions.collection.connectors.api_client import ApiClient
from functions.collection.connectors.api_values import AccessDenied
from functions.collection.connectors.gitlab.config import GitLabConfig, id_of
from functions.collection.connectors.gitlab.threads import (
    WIKI_TYPES,
    Note,
    Release,
    Thread,
    WikiPage,
    release_document,
    thread_document,
)
from functions.collection.connectors.thread_page import MAX_COMMENTS, one_line, web_url
from headwater.connectors import Fetched
from headwater.errors import PermanentError

T = TypeVar("T")

MARKDOWN = "text/markdown"
_KEY = re.compile(r"(?:(.+?)/)??(issues|merge_requests|releases|wiki)/(.+)", re.DOTALL)


class ThreadReader:
    """Makes the documents of one source's threads."""

    def __init__(self, client: ApiClient, config: GitLabConfig, max_bytes: int) -> None:
        self._client = client
        self._config = config
        self._max_bytes = max_bytes

    def read(self, key: str, staged: bytes | None) -> Fetched:
        """Read the thread with a key. `staged` is what the listing said of it."""
        parts = _KEY.fullmatch(key)
        if parts is None or (parts[2] in ("issues", "merge_requests") and not parts[3].isdecimal()):
            raise PermanentError(f"{key} isn't the key of a thread.")
        project = f"{self._config.path}/{parts[1]}" if parts[1] else self._config.path
        if parts[2] == "wiki":
            return self._page(key, project, parts[3], staged)
        if parts[2] == "releases":
            return self._release(key, project, parts[3], staged)
        return self._thread(key, project, parts[2], int(parts[3]), staged)

    def _thread(self, key: str, project: str, kind: str, number: int, staged: bytes | None) -> Fetched:
        place = f"/projects/{id_of(project)}/{kind}/{number}"
        thread = msgspec.json.decode(staged, type=Thread) if staged else self._get(place, Thread)
        notes = self._notes(place) if thread.user_notes_count else []
        content = thread_document(project, kind, thread, notes, max_bytes=self._max_bytes)
        return Fetched(key, content, MARKDOWN, web_url(thread.web_url), title=thread.title)

    def _notes(self, place: str) -> list[Note]:
        """Read the comments of a thread. Those that the token may not read are left out."""
        notes: list[Note] = []
        url: str | None = f"{place}/notes?sort=asc&order_by=created_at&per_page=100"
        while url and len(notes) <= MAX_COMMENTS:
            try:
                answer = self._client.get(url)
            except AccessDenied:
                return notes
            page = [] if answer.is_missing else answer.read(list[Note])
            notes += page
            url = answer.next_url if page else None
        return notes

    def _release(self, key: str, project: str, tag: str, staged: bytes | None) -> Fetched:
        place = f"/projects/{id_of(project)}/releases/{id_of(tag)}"
        release = msgspec.json.decode(staged, type=Release) if staged else self._get(place, Release)
        content = release_document(project, release, max_bytes=self._max_bytes)
        url = web_url(release.links.self if release.links else None)
        return Fetched(key, content, MARKDOWN, url, title=release.name or release.tag_name)

    def _page(self, key: str, project: str, slug: str, staged: bytes | None) -> Fetched:
        place = f"/projects/{id_of(project)}/wikis/{id_of(slug)}"
        page = msgspec.json.decode(staged, type=WikiPage) if staged else self._get(place, WikiPage)
        host = self._config.api.removesuffix("/api/v4")
        url = web_url(f"{host}/{project}/-/wikis/{quote(slug)}")
        content = page.content.encode(errors="replace")
        if len(content) > self._max_bytes:
            raise PermanentError(f"{key} has more than {self._max_bytes:,} bytes (MAX_FILE_BYTES).")
        media_type = WIKI_TYPES.get(page.format, "text/plain")
        return Fetched(key, content, media_type, url, title=one_line(page.title) or None)

    def _get(self, place: str, kind: type[T]) -> T:
        answer = self._client.get(place)
        if answer.is_missing:
            raise PermanentError("It was deleted or moved.")
        return answer.read(kind)
