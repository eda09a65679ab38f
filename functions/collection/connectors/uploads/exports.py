"""List and read the posts of uploaded WordPress exports: each is a document, below the path of its file.

The keys of posts are those of their addresses, so that a newer export replaces the posts that have changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor

import msgspec

from functions.collection.connectors.entry_page import entry_page
from functions.collection.connectors.uploads.stored import blob_key, large_files
from functions.collection.wordpress_export import SIGN_BYTES, ExportedPost, ListedPosts, is_export
from headwater.config import minimal_environment
from headwater.connectors import ConnectorContext, Entry, Fetched
from headwater.errors import PermanentError, UpstreamError
from headwater.processes.process import ChildProcess, ProcessEnded, ProcessFailed

MAX_EXPORTS = 20
"""Of a source. More are documents with a section for each post."""
READ_CPU_S, READ_S = 30.0, 90.0
MAX_LIST_BYTES, MAX_POST_BYTES = 40_000_000, 20_000_000
_PARALLEL = 16
_POST = "post-"
_SUFFIXES = (".xml", ".wxr")


class ListedExports(msgspec.Struct):
    """Exports as path and version, and their posts as key and fingerprint. `problems` are of exports, by path."""

    exports: dict[str, str] = {}
    posts: list[tuple[str, str]] = []
    problems: list[tuple[str, str]] = []


def list_posts(context: ConnectorContext, known: AbstractSet[str]) -> ListedExports:
    """List the posts of all uploaded exports. One that can't be read is not among them.

    A version in `known` is a document, so it is no export.
    """
    listed = ListedExports()
    blobs = context.blobs()
    candidates = [file for file in context.files if file[0].lower().endswith(_SUFFIXES) and file[1] not in known]
    with ThreadPoolExecutor(_PARALLEL) as threads, _reader() as reader:
        heads = threads.map(lambda file: blobs.head(blob_key(context.file_prefix, file[1]), SIGN_BYTES), candidates)
        exports = [file for file, head in zip(candidates, heads, strict=True) if is_export(head or b"")]
        for path, version in exports[:MAX_EXPORTS]:
            with large_files:
                found = _list_export(reader, path, blobs.get(blob_key(context.file_prefix, version)) or b"")
            if found is None or not found.posts:
                continue
            listed.exports[path] = version
            listed.posts += [(f"{path}/{one}", _POST + fingerprint) for one, fingerprint in found.posts]
            if found.problem:
                listed.problems.append((path, found.problem))
    return listed


def is_post(entry: Entry) -> bool:
    """Return True for an entry that is a post of an export."""
    return entry.fingerprint.startswith(_POST)


def encode_snapshot(name: str, exports: Mapping[str, str]) -> str:
    """Return a snapshot that names the versions of exports."""
    return f"{name} {msgspec.json.encode(exports).decode()}" if exports else name


def fetch_posts(context: ConnectorContext, snapshot: str, keys: Sequence[str]) -> Iterator[Fetched]:
    """Yield posts of exports. One whose export was replaced since the listing may be gone."""
    if not keys:
        return
    exports = msgspec.json.decode(snapshot.partition(" ")[2] or "{}", type=dict[str, str])
    by_path: dict[str, list[str]] = {}
    for key in keys:
        path = max((path for path in exports if key.startswith(f"{path}/")), key=len, default="")
        by_path.setdefault(path, []).append(key)
    with _reader() as reader:
        for path, wanted in by_path.items():
            yield from _fetch_export(context, reader, path, exports.get(path, ""), wanted)


def _fetch_export(
    context: ConnectorContext, reader: ChildProcess, path: str, version: str, keys: Sequence[str]
) -> Iterator[Fetched]:
    missing = set(keys)
    with large_files:
        content = context.blobs().get(blob_key(context.file_prefix, version)) if version else None
        if content is not None:
            wanted = [key.removeprefix(f"{path}/") for key in keys]
            limits = {"timeout_s": READ_S, "cpu_s": READ_CPU_S, "max_bytes": MAX_POST_BYTES}
            posts = reader.stream("read_posts", content, wanted, kind=ExportedPost, **limits)  # type: ignore[arg-type]
            for post in posts:
                key = f"{path}/{post.path}"
                missing.discard(key)
                yield _fetched(key, post)
    for key in sorted(missing):
        error = f"{path or key} was deleted, or replaced. Upload it again if the post isn't collected next."
        yield Fetched(key, None, "text/html", error=error)


def _list_export(reader: ChildProcess, path: str, content: bytes) -> ListedPosts | None:
    """Return the posts of an export, None if it can't be read: the parser then says why.

    Raises UpstreamError if the process was killed, such as for want of memory, so that no post is removed for that.
    """
    limits = {"timeout_s": READ_S, "cpu_s": READ_CPU_S, "max_bytes": MAX_LIST_BYTES}
    try:
        return reader.call("list_posts", content, kind=ListedPosts, **limits)  # type: ignore[arg-type]
    except ProcessEnded as error:
        raise UpstreamError(f"{path} can't be read: {error.message}") from error
    except (PermanentError, ProcessFailed):
        return None


def _fetched(key: str, post: ExportedPost) -> Fetched:
    url = post.link if post.link.startswith(("http://", "https://")) else None
    title = " ".join(post.title.split()) or None
    content = entry_page(
        post.content,
        title=title or "",
        base=url or "",
        author=post.author,
        published=post.published,
        tags=post.tags,
    )
    return Fetched(key, content, "text/html", url, title=title)


def _reader() -> ChildProcess:
    target = "functions.collection.wordpress_export:ExportReader"
    return ChildProcess(target, (), name="The reader of exports", environment=minimal_environment())
