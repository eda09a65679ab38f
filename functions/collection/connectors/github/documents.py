"""Make the documents of a GitHub source: threads with their comments and reviews, releases, and READMEs."""

import base64
import binascii
from typing import TypeVar
from urllib.parse import quote

import msgspec

from functions.collection.connectors.api_client import ApiClient
from functions.collection.connectors.api_values import AccessDenied
from functions.collection.connectors.github import discussions
from functions.collection.connectors.github.config import GitHubConfig
from functions.collection.connectors.github.lists import Repository
from functions.collection.connectors.github.threads import Release, Remark, Thread, release_document, thread_document
from functions.collection.connectors.media_types import media_type
from functions.collection.connectors.thread_page import MAX_COMMENTS, web_url, write_thread
from headwater.connectors import Fetched
from headwater.errors import PermanentError

T = TypeVar("T")

MARKDOWN = "text/markdown"


class ThreadReader:
    """Makes the documents of one source's threads."""

    def __init__(self, client: ApiClient, config: GitHubConfig, max_bytes: int) -> None:
        self._client = client
        self._config = config
        self._target = config.target
        self._max_bytes = max_bytes

    def read(self, key: str, staged: bytes | None) -> Fetched:
        """Read the thread with a key. `staged` is what the listing said of it."""
        if self._target.kind == "stars":
            return self._readme(key, staged)
        prefix, kind, name = self._split(key)
        repository = f"{self._target.owner}/{prefix}" if prefix else self._target.path
        if kind == "discussions":
            return self._discussion(key, repository, int(name))
        if kind == "releases":
            return self._release(key, repository, name, staged)
        return self._thread(key, repository, name, staged)

    def _split(self, key: str) -> tuple[str, str, str]:
        """Split a key into repository, "" if the source has one only, kind and number or tag."""
        prefix, _, rest = key.partition("/") if self._target.kind == "owner" else ("", "", key)
        kind, _, name = rest.partition("/")
        if kind not in ("issues", "pulls", "discussions", "releases") or (kind != "releases" and not name.isdecimal()):
            raise PermanentError(f"{key} isn't the key of a thread.")
        return prefix, kind, name

    def _thread(self, key: str, repository: str, number: str, staged: bytes | None) -> Fetched:
        place = f"/repos/{repository}"
        thread = msgspec.json.decode(staged, type=Thread) if staged else self._get(f"{place}/issues/{number}", Thread)
        remarks = self._remarks(f"{place}/issues/{number}/comments") if thread.comments else []
        if thread.pull_request is not None:
            remarks += self._remarks(f"{place}/pulls/{number}/reviews") + self._remarks(
                f"{place}/pulls/{number}/comments"
            )
        content = thread_document(repository, thread, remarks, max_bytes=self._max_bytes)
        return Fetched(key, content, MARKDOWN, web_url(thread.html_url), title=thread.title)

    def _release(self, key: str, repository: str, tag: str, staged: bytes | None) -> Fetched:
        place = f"/repos/{repository}/releases/tags/{quote(tag)}"
        release = msgspec.json.decode(staged, type=Release) if staged else self._get(place, Release)
        content = release_document(repository, release, max_bytes=self._max_bytes)
        return Fetched(key, content, MARKDOWN, web_url(release.html_url), title=release.name or release.tag_name)

    def _discussion(self, key: str, repository: str, number: int) -> Fetched:
        remarks: list[discussions.Remark] = []
        after: str | None = None
        while True:
            variables = {"number": number, "after": after}
            found = discussions.ask(self._client, self._config, discussions.READ, repository, **variables)
            discussion = found.discussion if found else None
            if discussion is None:
                raise PermanentError(f"{key} was deleted or transferred.")
            remarks += discussion.comments.nodes
            after = discussion.comments.page_info.end_cursor if discussion.comments.page_info.has_next_page else None
            if not after or not discussion.comments.nodes or len(remarks) > MAX_COMMENTS:
                break
        content = discussions.discussion_document(repository, discussion, remarks, max_bytes=self._max_bytes)
        return Fetched(key, content, MARKDOWN, web_url(discussion.url), title=discussion.title)

    def _readme(self, key: str, staged: bytes | None) -> Fetched:
        """Read the README of a repository; one without has its description."""
        repository = msgspec.json.decode(staged, type=Repository) if staged else self._get(f"/repos/{key}", Repository)
        title = f"{key}: {repository.description}" if repository.description else key
        answer = self._client.get(f"/repos/{key}/readme")
        if answer.is_missing:
            fields = {"repository": key, "topics": repository.topics[:100], "language": repository.language}
            content = write_thread(key, repository.description or "", [], fields, max_bytes=self._max_bytes)
            return Fetched(key, content, MARKDOWN, web_url(repository.html_url), title=title)
        file = answer.read(_File)
        try:
            content = base64.b64decode(file.content)
        except (binascii.Error, ValueError) as error:
            raise PermanentError(f"GitHub sent the README of {key} in a form that can't be read.") from error
        if file.size > len(content):
            raise PermanentError(f"The README of {key} has {file.size:,} bytes. GitHub sends files of at most 1 MB.")
        return Fetched(key, content, media_type(file.path, content), web_url(file.html_url), title=title)

    def _remarks(self, place: str) -> list[Remark]:
        """Read a list of comments or reviews. One that the token may not read is left out."""
        remarks: list[Remark] = []
        url: str | None = f"{place}?per_page=100"
        while url and len(remarks) <= MAX_COMMENTS:
            try:
                answer = self._client.get(url)
            except AccessDenied:
                return remarks
            page = [] if answer.is_missing else answer.read(list[Remark])
            remarks += page
            url = answer.next_url if page else None
        return remarks

    def _get(self, place: str, kind: type[T]) -> T:
        answer = self._client.get(place)
        if answer.is_missing:
            raise PermanentError("It was deleted or transferred.")
        return answer.read(kind)


class _File(msgspec.Struct):
    path: str
    content: str = ""
    size: int = 0
    html_url: str | None = None
