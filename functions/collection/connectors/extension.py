"""Kinds of source that installed extensions add: the connector runs in a process of its own."""

import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any

import msgspec

from headwater.connectors import ConnectorContext, Entry, Fetched, Listing, SourceKind, check_listing
from headwater.errors import HeadwaterError, PermanentError, SystemicError, UnprocessableContent
from headwater.extensions.discovery import Extension
from headwater.extensions.process import ExtensionProcess
from headwater.processes.process import ProcessStopped
from headwater.schemas import has_nul

DESCRIBE_S = 10.0
CHECK_S = 10.0
MAX_LISTING_BYTES = 256_000_000
FAILURE_CACHED_S = 60.0
"""How long an extension that cannot be described is not started again."""

_descriptions: dict[Extension, SourceKind] = {}
_failures: dict[Extension, tuple[float, str]] = {}


class ExtensionKind:
    """A kind whose connector is an extension."""

    def __init__(self, extension: Extension) -> None:
        self.extension = extension

    def describe(self) -> SourceKind:
        """Describe the kind; raises UnprocessableContent if the extension cannot be loaded."""
        if self.extension in _descriptions:
            return _descriptions[self.extension]
        failed_at, reason = _failures.get(self.extension, (0.0, ""))
        if reason and time.monotonic() - failed_at < FAILURE_CACHED_S:
            raise UnprocessableContent(reason)
        try:
            with _as_unprocessable(), ExtensionProcess(self.extension) as process:
                description = process.call("describe", kind=SourceKind, timeout_s=DESCRIBE_S)
        except UnprocessableContent as error:
            _failures[self.extension] = time.monotonic(), error.message
            raise
        _descriptions[self.extension] = description
        return description

    def normalise(self, config: object) -> dict[str, Any]:
        """Check a config and return it as it is stored; raises UnprocessableContent."""
        with _as_unprocessable(), ExtensionProcess(self.extension) as process:
            return process.call("normalise", config, kind=dict[str, Any], timeout_s=DESCRIBE_S)

    def open(self, context: ConnectorContext, config: object, secret: str | None) -> "ExtensionReader":
        """Open one source of this kind."""
        return ExtensionReader(self.extension, context, config, secret)


class ExtensionReader:
    """One source of an extension. Each call starts a process and ends it."""

    def __init__(self, extension: Extension, context: ConnectorContext, config: object, secret: str | None) -> None:
        self._extension = extension
        self._context = context
        self._config = config
        self._secret = secret

    def check(self) -> None:
        with _as_unprocessable(), self._process() as process:
            process.call("check", self._config, self._secret, kind=bool, timeout_s=CHECK_S)

    def list(self, cursor: str | None, known: AbstractSet[str]) -> Listing:
        with self._process() as process:
            arguments = (self._config, self._secret, cursor, known)
            timeout_s = self._context.timeout_s
            listing = process.call("list", *arguments, kind=Listing, timeout_s=timeout_s, max_bytes=MAX_LISTING_BYTES)
        check_listing(listing)
        return listing

    def fetch(self, snapshot: str, entries: Sequence[Entry]) -> Iterator[Fetched]:
        """Fetch entries.

        A connector that hangs before its first file is given up for the whole run. After a file it may have hung over
        the next one, so the step is split into single files.
        """
        missing = {entry.key for entry in entries}
        try:
            with self._process() as process:
                for file in process.stream(
                    "fetch",
                    *(self._config, self._secret, snapshot, entries),
                    kind=Fetched,
                    timeout_s=self._context.timeout_s,
                    max_bytes=self._context.max_file_bytes + 1_000_000,
                ):
                    if file.key not in missing:
                        raise PermanentError(f"The extension returned {file.key[:200]!r}, which was not requested.")
                    if has_nul((file.media_type, file.url, file.error, file.title)):
                        raise PermanentError(f"The extension returned NUL characters for {file.key}.")
                    missing.discard(file.key)
                    yield self._without_large_content(file)
        except ProcessStopped as error:
            if len(missing) == len(entries) > 1:
                raise SystemicError(error.message) from error
            raise

    def _without_large_content(self, file: Fetched) -> Fetched:
        """Replace content over the limit by an error."""
        size, limit = len(file.content or b""), self._context.max_file_bytes
        if size <= limit:
            return file
        error = f"{file.key} has {size:,} bytes, more than the limit of {limit:,} (MAX_FILE_BYTES)"
        return msgspec.structs.replace(file, content=None, error=error)

    def _process(self) -> ExtensionProcess:
        return ExtensionProcess(self._extension, self._context, self._secret)


@contextmanager
def _as_unprocessable() -> Iterator[None]:
    """Turn every error of an extension into UnprocessableContent, for a request that waits for it."""
    try:
        yield
    except HeadwaterError as error:
        raise UnprocessableContent(error.message) from error
