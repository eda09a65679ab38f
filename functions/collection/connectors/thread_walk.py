"""List what code hosts have: a walk over the lists of their APIs, in steps, and incrementally from a cursor.

A *stream* is one list of the API, such as the issues of one repository. Each has where the next listing begins: the
newest update and the ETag of the first page. Once a day, all streams are read from their start: only that tells which
threads were deleted or transferred.
"""

import base64
import datetime as dt
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from functions.collection.connectors.api_client import AnswerTooLarge
from functions.collection.connectors.api_values import AccessDenied, Refused
from functions.collection.connectors.staged_listing import stage_listing, staged_listing
from headwater.connectors import (
    MAX_CURSOR_CHARS,
    MAX_KEY_BYTES,
    ConnectorContext,
    Entry,
    Fetched,
    Listing,
    Period,
)
from headwater.errors import PermanentError, SystemicError

COMPLETE_EVERY_S = 86_400.0
MAX_PAGES = 2_000
"""Pages of one list, 100 threads each. What is beyond is not collected, and the run says so."""
MAX_RESTARTS = 2
"""Of one list, whose links to next pages expire."""


class Stream(msgspec.Struct, frozen=True, array_like=True):
    """Where the next listing of a stream begins. `keys` are those of a stream that is always read whole."""

    since: str = ""
    etag: str = ""
    keys: tuple[str, ...] = ()


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """What the last listing found. `completed_at` is when everything was read, in seconds since 1970."""

    completed_at: float = 0.0
    streams: dict[str, Stream] = {}
    repositories: tuple[str, ...] = ()


class Task(msgspec.Struct):
    """A list to read: its kind, such as `issues`, of a repository, whose keys begin with `prefix`.

    `url` is the next page, "" for the first. `since` begins a list that is read again.
    """

    kind: str
    repository: str = ""
    prefix: str = ""
    url: str = ""
    pages: int = 0
    restarts: int = 0
    since: str = ""

    @property
    def stream(self) -> str:
        return f"{self.kind} {self.repository}"


class Walk(msgspec.Struct):
    """A listing under way. `streams` are those that it has read, `newest` the newest update of the one being read."""

    complete: bool
    began_at: float
    previous: Cursor
    tasks: list[Task]
    streams: dict[str, Stream] = {}
    repositories: dict[str, None] = {}
    entries: dict[str, str] = {}
    removed: dict[str, None] = {}
    skipped: dict[str, str] = {}
    newest: str = ""
    etag: str = ""
    keys: dict[str, None] = {}

    def since(self, task: Task) -> Stream:
        """Return where to begin a stream: at its start in a complete listing."""
        if task.since:
            return Stream(task.since)
        return Stream() if self.complete else self.previous.streams.get(task.stream, Stream())

    def complete_if_gone(self) -> None:
        """Make the listing complete if a repository has gone: only that removes its documents."""
        if set(self.previous.repositories) - set(self.repositories):
            self.complete = True

    def end(self, task: Task, stream: Stream | None) -> None:
        """End a task; None for a list that can't be read."""
        self.tasks.remove(task)
        if stream is not None:
            self.streams[task.stream] = stream
        self.newest, self.etag, self.keys = "", "", {}


class Found(msgspec.Struct, frozen=True):
    """A thread on a page: its fingerprint, and `content` to stage. Without a fingerprint, it is not to be collected."""

    key: str
    fingerprint: str
    content: bytes = b""
    updated: str = ""


class Page(msgspec.Struct, frozen=True):
    """A page of a list. `whole` lists have all that there is, and lack what was deleted.

    `unreadable` has reasons for entries that the server describes wrongly, by name.
    """

    found: list[Found]
    next_url: str | None = None
    etag: str = ""
    is_unchanged: bool = False
    whole: bool = False
    tasks: list[Task] = []
    unreadable: dict[str, str] = {}


ReadPage = Callable[[Walk, Task], Page]


class ThreadLister:
    """Reads the pages of a walk by `read_page`, and stages the threads that `known` lacks."""

    def __init__(self, context: ConnectorContext, read_page: ReadPage) -> None:
        self._context = context
        self._blobs = context.blobs()
        self._prefix = context.stage_prefix
        self._period = context.period
        self._read_page = read_page

    def list(self, cursor: str | None, first: Task, known: Any, slice_s: float) -> Listing:
        """Read pages for `slice_s` seconds. Returns the listing, or where the next step goes on."""
        until = time.monotonic() + slice_s
        walk = staged_listing(self._context, cursor, Walk) or begin(decode_cursor(cursor), first)
        while walk.tasks:
            self._step(walk, walk.tasks[0], known)
            if walk.tasks and time.monotonic() >= until:
                return Listing("", [], complete=False, resume=stage_listing(self._context, walk))
        listing = finish(walk)
        return msgspec.structs.replace(listing, complete=False, removed=[]) if self._period else listing

    def _step(self, walk: Walk, task: Task, known: Any) -> None:
        """Read one page. What the token may not read is skipped with the reason."""
        try:
            page = self._read_page(walk, task)
        except (AccessDenied, AnswerTooLarge) as error:
            walk.skipped[f"{task.prefix}{task.kind}"] = error.message
            walk.end(task, None)
        except Refused:
            if not task.url or task.restarts >= MAX_RESTARTS:
                raise
            task.url = ""  # the link to the page has expired: read the list again
            task.restarts += 1
        else:
            walk.skipped |= {f"{task.prefix}{task.kind}/{name}": reason for name, reason in page.unreadable.items()}
            self._add(walk, task, page, known)

    def _add(self, walk: Walk, task: Task, page: Page, known: Any) -> None:
        staged = {}
        for found in page.found:
            if len(found.key.encode(errors="replace")) > MAX_KEY_BYTES or "\0" in found.key:
                continue
            walk.newest = max(walk.newest, found.updated)
            if self._period and not _is_in(self._period, found.updated):
                continue
            if not found.fingerprint:
                walk.removed[found.key] = None
                continue
            walk.entries[found.key] = found.fingerprint
            walk.keys[found.key] = None
            if found.content and found.fingerprint not in known:
                staged[staged_name(found.key, found.fingerprint)] = found.content
        self._blobs.put_all((f"{self._prefix}/{name}", content) for name, content in staged.items())
        walk.tasks[1:1] = page.tasks
        if not task.url:
            walk.etag = page.etag
        task.pages += 1
        task.url = page.next_url or ""
        if task.url and task.pages >= MAX_PAGES:
            walk.skipped[f"{task.prefix}{task.kind}"] = f"Only the first {MAX_PAGES:,} pages of the list were read."
            task.url = ""
        if task.url:
            return
        stream = _stream_of(walk, task, page)
        if walk.complete and task.pages > 1 and stream.since and not task.since:
            # Threads that were updated meanwhile have moved to a page that was read before.
            walk.tasks.insert(1, Task(task.kind, task.repository, task.prefix, since=stream.since))
        walk.end(task, stream)


def fetch_threads(
    context: ConnectorContext, entries: Sequence[Entry], read: Callable[[str, bytes | None], Fetched]
) -> Iterator[Fetched]:
    """Yield documents made by `read` from what the listing staged; None where nothing is staged any more."""
    names = [f"{context.stage_prefix}/{staged_name(entry.key, entry.fingerprint)}" for entry in entries]
    for entry, (_, staged) in zip(entries, context.blobs().get_all(names), strict=True):
        try:
            yield read(entry.key, staged)
        except SystemicError:
            raise
        except PermanentError as error:
            yield Fetched(entry.key, None, "text/markdown", error=error.message)


def begin(previous: Cursor, first: Task) -> Walk:
    """Begin a listing: complete if there is no cursor, or the last complete one is a day old."""
    now = time.time()
    complete = not 0 <= now - previous.completed_at < COMPLETE_EVERY_S
    return Walk(complete, now, previous, [first])


def finish(walk: Walk) -> Listing:
    """Return the listing of a walk that has read everything. Raises SystemicError if it could read no list.

    A listing that lacks a list isn't complete: what was collected of the list stays.
    """
    if walk.skipped and not any(not name.startswith("repositories") for name in walk.streams):
        raise SystemicError(next(iter(walk.skipped.values())))
    cursor = Cursor(
        walk.began_at if walk.complete else walk.previous.completed_at, walk.streams, tuple(walk.repositories)
    )
    return Listing(
        hashlib.sha256(msgspec.msgpack.encode(walk.entries)).hexdigest()[:40],
        [Entry(key, fingerprint, "text/markdown") for key, fingerprint in walk.entries.items()],
        skipped=[(key, reason) for key, reason in walk.skipped.items() if key not in walk.entries],
        complete=walk.complete and not walk.skipped,
        cursor=encode_cursor(cursor),
        removed=[key for key in walk.removed if key not in walk.entries],
    )


def _stream_of(walk: Walk, task: Task, page: Page) -> Stream:
    """Return where the next listing of a list begins, of which `page` was the last one."""
    before = walk.since(task)
    if page.is_unchanged:
        return before
    newest = max(walk.newest, before.since)
    if not page.whole:
        return Stream(newest, walk.etag if newest == before.since else "")
    is_whole = not any(name.startswith(f"{task.prefix}{task.kind}/") for name in walk.skipped)
    walk.removed |= dict.fromkeys(key for key in before.keys if is_whole and key not in walk.keys)
    return Stream("", walk.etag, tuple(walk.keys))


def _is_in(period: Period, updated: str) -> bool:
    """Return True for an update in a period. Threads without a date are in none."""
    try:
        return period.has(dt.datetime.fromisoformat(updated))
    except ValueError:
        return False


def staged_name(key: str, fingerprint: str) -> str:
    """Return the name of a staged thread."""
    return f"threads/{hashlib.sha256(f'{fingerprint} {key}'.encode(errors='replace')).hexdigest()[:40]}"


def fingerprint_of(*seen: Any) -> str:
    """Return a hash of what a list tells of a thread."""
    return hashlib.sha256(msgspec.msgpack.encode(seen)).hexdigest()[:40]


def encode_cursor(cursor: Cursor) -> str | None:
    """Return a cursor as text; None if it is too long: then the next listing is complete."""
    text = base64.b85encode(zlib.compress(msgspec.msgpack.encode(cursor), 9)).decode()
    return text if len(text) <= MAX_CURSOR_CHARS else None


def decode_cursor(cursor: str | None) -> Cursor:
    """Return the cursor; an empty one without a text."""
    if not cursor:
        return Cursor()
    return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(cursor)), type=Cursor)
