"""Parse and chunk files. Runs in the processes of `parser_pool`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from functions.collection.chunking.chunk import Chunk, chunk
from functions.collection.documents.parsed_file import ParsedFile, SourceFile, Unparsed
from functions.collection.parsers.choose import load_built_in, true_parser
from functions.collection.parsers.limits import count_chunks_within_limits, limit_warnings, too_many_chunks
from functions.collection.parsers.parse import ParsedDocument, complete
from headwater.embedding.registry import load_tokenizer
from headwater.errors import PermanentError
from headwater.extensions.discovery import Extension
from headwater.extensions.methods import load
from headwater.parsers import OtherParserNeeded, Parser, check_parsed
from headwater.passages import about, excerpt
from headwater.processes.child import limit_memory
from headwater.words.analysis import DEFAULT_LANGUAGE, binary_vector, count_chunk_words
from headwater.words.languages import detect_language


class FileParser:
    """Parses files with the built-in parsers, or with an extension, and chunks them for an embedding model.

    `memory_bytes` is what a file may need beyond the memory of the imported parser and tokenizer.
    """

    def __init__(self, extension: Extension | None, model: str, model_dir: str, memory_bytes: int) -> None:
        self._extension_parser: Parser | None = load(extension) if extension else None
        self._tokenizer = load_tokenizer(model, Path(model_dir))
        limit_memory(memory_bytes)

    def parse(self, files: tuple[SourceFile, ...]) -> Iterator[list[ParsedFile | Unparsed]]:
        """Parse and chunk files. Yields one list, with the reason in place of a file that cannot be parsed.

        A text whose language can't be detected has its source's, or that of most other files.
        """
        results = [self._parse(file) for file in files]
        documents = [result for result in results if isinstance(result, ParsedDocument)]
        chunks = iter(chunk(documents, self._tokenizer))
        detected = [None if isinstance(result, Unparsed) else detect_language(result.text) for result in results]
        most = Counter(filter(None, detected)).most_common(1)
        others = most[0][0] if most else DEFAULT_LANGUAGE
        yield [
            result
            if isinstance(result, Unparsed)
            else _parsed_file(file.key, result, next(chunks), detected=language, others=file.language or others)
            for file, result, language in zip(files, results, detected, strict=True)
        ]

    def _parse(self, file: SourceFile) -> ParsedDocument | Unparsed:
        kind = true_parser(file.parser, file.content)
        parser = self._extension_parser or load_built_in(kind)
        try:
            parsed = parser(file.key, file.content, file.media_type)
            if self._extension_parser:
                check_parsed(parsed)
        except OtherParserNeeded as error:
            return Unparsed(error.message, error.media_type)
        except PermanentError as error:
            return Unparsed(error.message)
        if kind != file.parser and not self._extension_parser:
            warning = f"the file was read as {kind}, because of its content; its name says otherwise"
            parsed = msgspec.structs.replace(parsed, warnings=(*parsed.warnings, warning))
        return complete(file.key, parsed, file.title)


def _parsed_file(
    key: str, document: ParsedDocument, chunks: Sequence[Chunk], *, detected: str | None, others: str
) -> ParsedFile:
    language = detected or others
    warnings = document.warnings
    kept = count_chunks_within_limits(_size_bytes(document, chunk) for chunk in chunks)
    if kept < len(chunks):
        line = document.text.count("\n", 0, chunks[kept].start) + 1
        warnings = limit_warnings([too_many_chunks(kept, len(chunks), line), *warnings])
    return ParsedFile(
        title=document.title,
        text=document.text,
        front_matter=document.front_matter,
        language=language,
        links=document.links,
        chunks=tuple(chunks[:kept]),
        words=tuple(_words(key, document, chunk, language) for chunk in chunks[:kept]),
        warnings=warnings,
        pages=document.pages,
        inherits_language=detected is None,
    )


def _words(key: str, document: ParsedDocument, chunk: Chunk, language: str) -> tuple[bytes, int]:
    header = document.text[slice(*chunk.table_header)] if chunk.table_header else None
    text = excerpt(document.text[chunk.start : chunk.end], chunk.markup, header)
    description = about(document.front_matter) if chunk.ordinal == 0 else ""
    counts = count_chunk_words(key, document.title, (*chunk.heading_path, description), text, language=language)
    return binary_vector(counts), sum(counts.values())


def _size_bytes(document: ParsedDocument, chunk: Chunk) -> int:
    """Return the bytes that are indexed for a chunk: its text with title and headings."""
    return len("".join((document.title, *chunk.heading_path, document.text[chunk.start : chunk.end])).encode())
