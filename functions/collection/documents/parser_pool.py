"""The processes that parse and chunk files: a few per instance, kept between files and shared by its threads.

A parser may run long, hold the interpreter or need much memory for a single file, so none runs in the function's own
process. A file over its budget is stopped with its process and fails with the reason; the next file gets a new process.
"""

import atexit
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from functions.collection.documents.parsed_file import ParsedFile, ParseFailure, SourceFile, Unparsed
from functions.collection.parsers.choose import choose
from headwater.config import Settings, minimal_environment
from headwater.connectors import Fetched
from headwater.errors import PermanentError, TooManyRequests
from headwater.extensions.discovery import Extension
from headwater.extensions.process import display_name
from headwater.processes.process import (
    ChildProcess,
    ProcessEnded,
    ProcessFailed,
    ProcessOutOfMemory,
    ProcessStopped,
)

MAX_PARSED_BYTES = 64_000_000
LARGE_BYTES = 1_000_000
"""A file of this size has a process of its own: Python returns little of the memory that a file needed."""

BATCH_FILES, BATCH_BYTES = 64, 500_000
"""Small files are sent together. If that fails, each of them is sent alone."""

BATCH_CPU_S = 2.0
"""Limit of processor time for files that are sent together: they need a tenth of it."""

WALL_FACTOR = 3
"""Limit of time in multiples of the limit of processor time: several processes may share a processor."""

_ADVICE = "Split the file, or exclude it from the source."


class ParseLimits(msgspec.Struct, frozen=True):
    """Limits for one file, and where the tokenizers are."""

    cpu_s: float
    memory_bytes: int
    processes: int
    model_dir: Path


class _ParserProcess(ChildProcess):
    """A process with the built-in parsers (`extension` is None) or an extension, for one embedding model."""

    def __init__(self, extension: Extension | None, model: str, limits: ParseLimits) -> None:
        super().__init__(
            "functions.collection.documents.parse_files:FileParser",
            (extension, model, str(limits.model_dir), limits.memory_bytes),
            name=display_name(extension) if extension else "The parser",
            environment={**minimal_environment(), "TOKENIZERS_PARALLELISM": "false"},  # waking threads costs more
        )
        self.serves = extension, model


class _Chosen(NamedTuple):
    """A file with its parser: an extension, or the built-in one that `source` names."""

    file: Fetched
    source: SourceFile
    extension: Extension | None
    ignored: Extension | None


class ParserPool:
    """Parses files in at most `limits.processes` processes. Safe to share between threads.

    One workspace never has all of them, if there are several.
    """

    def __init__(self, limits: ParseLimits) -> None:
        self.limits = limits
        self._changed = threading.Condition()
        self._waiting: dict[int, uuid.UUID] = {}  # by thread, in the order of their calls
        self._parsing: list[uuid.UUID] = []  # a workspace for each process that is in use
        self._idle: list[_ParserProcess] = []
        # A process ends with the thread that started it, so that is one which lasts.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="parser-starter")

    def warm(self, model: str) -> None:
        """Start a process, unless there is one, while the caller fetches the files."""
        with self._changed:
            if self._idle or self._parsing:
                return
            process = self._take(None, model)
            self._idle.append(process)
        self._starter.submit(process.start)

    def parse(
        self,
        workspace_id: uuid.UUID,
        files: Iterable[Fetched],
        model: str,
        *,
        language: str | None = None,
        wait_s: float | None = None,
    ) -> Iterator[tuple[Fetched, ParsedFile | ParseFailure]]:
        """Parse files and chunk them for an embedding model. Yields each with its result, or the reason for none.

        `language` is that of files whose language can't be detected; None stands for that of most of the files.
        Raises TooManyRequests if no process is free within `wait_s` (None: wait as long as it takes).
        """
        batch: list[_Chosen] = []
        for file in files:
            chosen = _choose(file, language)
            if isinstance(chosen, ParseFailure):
                yield file, chosen
                continue
            if batch and not _has_room(batch, chosen):
                yield from self._parse_batch(workspace_id, batch, model, wait_s)
                batch = []
            batch.append(chosen)
        if batch:
            yield from self._parse_batch(workspace_id, batch, model, wait_s)

    def close(self) -> None:
        """End the idle processes."""
        with self._changed:
            while self._idle:
                self._idle.pop().close()

    def _parse_batch(
        self, workspace_id: uuid.UUID, batch: Sequence[_Chosen], model: str, wait_s: float | None
    ) -> Iterator[tuple[Fetched, ParsedFile | ParseFailure]]:
        """Parse files of one parser together; each alone, if that fails because of one of them."""
        sources = [chosen.source for chosen in batch]
        try:
            with self._lease(workspace_id, batch[0].extension, model, wait_s) as process:
                if len(batch) == 1:
                    results = [self._parse_alone(process, sources[0])]
                else:
                    results = self._call(process, sources, min(BATCH_CPU_S, self.limits.cpu_s))
        except (PermanentError, ProcessFailed):
            for chosen in batch:
                yield from self._parse_batch(workspace_id, [chosen], model, wait_s)
            return
        for chosen, result in zip(batch, results, strict=True):
            if other := _other_parser(chosen, result):
                yield from self._parse_batch(workspace_id, [other], model, wait_s)
            else:
                yield chosen.file, _warn_of_ignored(result, chosen.ignored)

    def _parse_alone(self, process: _ParserProcess, source: SourceFile) -> ParsedFile | ParseFailure:
        cpu_s, megabytes = self.limits.cpu_s, self.limits.memory_bytes / 1024**2
        is_large = len(source.content) > LARGE_BYTES
        if is_large:
            process.close()
        try:
            try:
                [result] = self._call(process, [source], cpu_s)
            except (ProcessEnded, ProcessOutOfMemory):
                if is_large:
                    raise
                [result] = self._call(process, [source], cpu_s)  # in a new process: an earlier file may be to blame
        except ProcessStopped:
            return _may_pass(f"Parsing took longer than {cpu_s:g} s and was stopped. {_ADVICE}")
        except ProcessOutOfMemory:
            return _may_pass(f"Parsing needed more than {megabytes:,.0f} MB of memory and was stopped. {_ADVICE}")
        except ProcessEnded as error:
            return _may_pass(f"{error.message} {_ADVICE}")
        except (PermanentError, ProcessFailed) as error:
            return _may_pass(error.message)
        finally:
            if is_large:
                process.close()
        return result

    def _call(
        self, process: _ParserProcess, sources: Sequence[SourceFile], cpu_s: float
    ) -> list[ParsedFile | ParseFailure]:
        if not process.is_started:
            self._starter.submit(process.start).result()
        results = process.call(
            "parse",
            sources,
            kind=list[ParsedFile | Unparsed],
            timeout_s=WALL_FACTOR * cpu_s,
            cpu_s=cpu_s,
            max_bytes=MAX_PARSED_BYTES,
        )
        return [
            ParseFailure(result.reason, may_pass=False, media_type=result.media_type)
            if isinstance(result, Unparsed)
            else result
            for result in results
        ]

    @contextmanager
    def _lease(
        self, workspace_id: uuid.UUID, extension: Extension | None, model: str, wait_s: float | None
    ) -> Iterator[_ParserProcess]:
        """Wait for a process and use it. Workspaces are served in the order of their calls."""
        thread = threading.get_ident()
        with self._changed:
            self._waiting[thread] = workspace_id
            try:
                if not self._changed.wait_for(lambda: self._next() == thread, wait_s):
                    raise TooManyRequests("Too many documents are being read at the moment. Try again in a minute.")
                process = self._take(extension, model)
                self._parsing.append(workspace_id)
            finally:
                del self._waiting[thread]
                self._changed.notify_all()
        try:
            yield process
        finally:
            with self._changed:
                self._parsing.remove(workspace_id)
                self._idle.append(process)
                self._changed.notify_all()

    def _next(self) -> int | None:
        """Return the waiting thread that may have a process now, if any."""
        if len(self._parsing) >= self.limits.processes:
            return None
        most = max(1, self.limits.processes - 1)
        allowed = (thread for thread, workspace in self._waiting.items() if self._parsing.count(workspace) < most)
        return next(allowed, None)

    def _take(self, extension: Extension | None, model: str) -> _ParserProcess:
        """Take an idle process, or a new one in place of one that serves another parser or model."""
        for process in self._idle:
            if process.serves == (extension, model):
                self._idle.remove(process)
                return process
        if len(self._idle) + len(self._parsing) >= self.limits.processes:
            self._idle.pop(0).close()
        return _ParserProcess(extension, model, self.limits)


def parser_pool(settings: Settings) -> ParserPool:
    """Return this process's pool: one for all of its requests and steps."""
    return _shared_pool(
        ParseLimits(settings.parse_timeout_s, settings.parse_memory_bytes, settings.parse_processes, settings.model_dir)
    )


@cache
def _shared_pool(limits: ParseLimits) -> ParserPool:
    pool = ParserPool(limits)
    atexit.register(pool.close)
    return pool


def _choose(file: Fetched, language: str | None) -> _Chosen | ParseFailure:
    """Choose a file's parser. Returns the reason if there is none."""
    choice = choose(file.key, file.media_type)
    if file.content is None:
        return _may_pass(file.error or "the source returned no content")
    if choice.parser is None:
        return ParseFailure(choice.problem or "no parser reads this file", may_pass=False)
    extension, name = (choice.parser, "") if isinstance(choice.parser, Extension) else (None, choice.parser.name)
    source = SourceFile(file.key, file.content, file.media_type, name, file.title, language)
    return _Chosen(file, source, extension, choice.ignored)


def _other_parser(chosen: _Chosen, result: ParsedFile | ParseFailure) -> _Chosen | None:
    """Choose the extension that can read a file which the built-in parser can't; None if there is none."""
    if chosen.extension or not isinstance(result, ParseFailure) or not result.media_type:
        return None
    parser = choose("", result.media_type).parser
    if not isinstance(parser, Extension):
        return None
    return _Chosen(chosen.file, msgspec.structs.replace(chosen.source, parser=""), parser, None)


def _has_room(batch: Sequence[_Chosen], more: _Chosen) -> bool:
    """Return True if a file may be sent together with others. Extensions get one file at a time."""
    size_bytes = sum(len(chosen.source.content) for chosen in (*batch, more))
    is_built_in = batch[0].extension is None and more.extension is None
    return is_built_in and len(batch) < BATCH_FILES and size_bytes <= BATCH_BYTES


def _may_pass(reason: str) -> ParseFailure:
    return ParseFailure(reason, may_pass=True)


def _warn_of_ignored(result: ParsedFile | ParseFailure, ignored: Extension | None) -> ParsedFile | ParseFailure:
    if ignored is None or isinstance(result, ParseFailure):
        return result
    warning = f"the extension {ignored.package} was not used: {ignored.name} has a built-in parser"
    return msgspec.structs.replace(result, warnings=(*result.warnings, warning))
