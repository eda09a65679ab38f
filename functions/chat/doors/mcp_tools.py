"""The tools that Headwater offers to clients of the Model Context Protocol."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
import sqlalchemy as sa

from functions.chat.answers.collect import CollectedAnswer, Collector
from functions.chat.conversations.answerer import Answerer
from functions.chat.doors.stateless import answer_once
from functions.chat.retrieval.routes import Hit, check_question, to_hit
from functions.chat.retrieval.search import Search
from headwater.auth.callers import Caller, Scope
from headwater.database.transactions import Database
from headwater.errors import NotFound
from headwater.filters.parse import parse_filter
from headwater.filters.sql import where
from headwater.schemas import object_schema

MAX_READ_CHARS = 50_000
"""Characters of a document that one call returns, at most."""

FILTER_HELP = (
    "Restricts to documents that match, as in `source:handbook path:guides/** date>=2026`. Empty: all documents."
)


Steps = Iterator[str | tuple[str, msgspec.Struct]]
"""What a tool is doing ("" for nothing new), then its result: a text for a model, and the same as data."""


class SearchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to search for."""

    query: Annotated[str, msgspec.Meta(description="A question or key words, in any language.")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=20, description="Maximum number of passages.")] = 8
    filter: Annotated[str, msgspec.Meta(description=FILTER_HELP)] = ""


class ReadArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of which document to read."""

    document_id: Annotated[uuid.UUID, msgspec.Meta(description="The `document_id` of a passage that a search found.")]
    offset: Annotated[int, msgspec.Meta(ge=0, description="The first character to read.")] = 0
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_READ_CHARS, description="Maximum number of characters to read.")
    ] = 20_000


class NoArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


class AskArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask."""

    question: Annotated[str, msgspec.Meta(description="A question that can be understood alone, in any language.")]
    filter: Annotated[str, msgspec.Meta(description=FILTER_HELP)] = ""


class FoundPassages(msgspec.Struct, frozen=True):
    """Passages, best first."""

    passages: list[Hit]


class DocumentPart(msgspec.Struct, frozen=True):
    """A part of a document's text. `next_offset` is where to read on, null at the end."""

    document_id: uuid.UUID
    source_id: uuid.UUID
    key: str
    title: str
    url: str | None
    offset: int
    total_chars: int
    next_offset: int | None
    text: str


class ListedSource(msgspec.Struct, frozen=True):
    """A source of documents. `name` is what a filter's `source:` names."""

    id: uuid.UUID
    name: str
    kind: str
    documents: int


class ListedSources(msgspec.Struct, frozen=True):
    """The sources of the workspace."""

    sources: list[ListedSource]


class ToolBox(msgspec.Struct, frozen=True):
    """What the tools work with."""

    database: Database
    search: Search
    answerer: Answerer
    max_question_chars: int


class Tool(ABC):
    """One tool. It needs the scope that its HTTP route needs."""

    name: ClassVar[str]
    title: ClassVar[str]
    description: ClassVar[str]
    scope: ClassVar[Scope] = "chat"
    arguments_type: ClassVar[type[msgspec.Struct]]

    def describe(self) -> dict[str, Any]:
        """Return the tool as the protocol lists it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": object_schema(self.arguments_type),
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }

    @abstractmethod
    def run(self, box: ToolBox, caller: Caller, arguments: Any) -> Steps:
        """Run the tool. Raises HeadwaterError with a message for the model."""


class SearchTool(Tool):
    """Hybrid search, as `GET /api/search`."""

    name = "search"
    title = "Search the team's documents"
    description = (
        "Finds passages of the team's documents by meaning and by words, best first. Use it for facts about the team, "
        "its products and its work. Read more of a document with read_document."
    )
    arguments_type = SearchArguments

    def run(self, box: ToolBox, caller: Caller, arguments: SearchArguments) -> Steps:
        """Search."""
        query = check_question(arguments.query, box.max_question_chars, "query")
        chosen = where(parse_filter(arguments.filter))
        results = box.search.find(caller.workspace_id, query, arguments.limit, chosen)
        hits = [to_hit(passage) for passage in results.passages]
        text = "\n\n".join(_passage_text(n, hit) for n, hit in enumerate(hits, start=1))
        yield text or "No passage matches.", FoundPassages(hits)


class ReadTool(Tool):
    """A part of a document's text."""

    name = "read_document"
    title = "Read a document"
    description = "Returns a part of a document's text as Markdown. Long documents are read in several calls."
    scope = "collection"
    arguments_type = ReadArguments

    def run(self, box: ToolBox, caller: Caller, arguments: ReadArguments) -> Steps:
        """Read."""
        values = {
            "workspace_id": caller.workspace_id,
            "id": arguments.document_id,
            "first": arguments.offset + 1,
            "limit": arguments.limit,
        }
        with box.database.transaction(caller.workspace_id) as tx:
            row = tx.execute(_READ, values).one_or_none() if arguments.offset < _MAX_OFFSET else None
        if row is None:
            raise NotFound(
                f"Document not found: {arguments.document_id}. Search for it again: it may have been removed."
            )
        end = arguments.offset + len(row.text)
        part = DocumentPart(
            document_id=arguments.document_id,
            source_id=row.source_id,
            key=row.key,
            title=row.title,
            url=row.url,
            offset=arguments.offset,
            total_chars=row.total_chars,
            next_offset=end if end < row.total_chars else None,
            text=row.text,
        )
        more = f"\n\n(Read on at offset {end} of {row.total_chars}.)" if part.next_offset else ""
        yield f"# {row.title or row.key}\n\n{row.text}{more}", part


class SourcesTool(Tool):
    """The sources of the workspace."""

    name = "list_sources"
    title = "List the sources"
    description = "Lists the sources of the team's documents, with their names for the filters of the other tools."
    scope = "collection"
    arguments_type = NoArguments

    def run(self, box: ToolBox, caller: Caller, _: NoArguments) -> Steps:
        """List."""
        with box.database.transaction(caller.workspace_id) as tx:
            rows = tx.execute(_SOURCES, {"workspace_id": caller.workspace_id}).all()
        sources = [ListedSource(row.id, row.name, row.kind, row.documents) for row in rows]
        lines = [f"- {source.name} ({source.kind}, {source.documents} documents)" for source in sources]
        yield "\n".join(lines) or "There are no sources yet.", ListedSources(sources)


class AskTool(Tool):
    """A cited answer, as `POST /api/chat` writes it, but not stored."""

    name = "ask"
    title = "Ask a question"
    description = (
        "Answers a question from the team's documents, with citations [n] of the passages. Says so if they have no "
        "answer. It takes longer than a search."
    )
    arguments_type = AskArguments

    def run(self, box: ToolBox, caller: Caller, arguments: AskArguments) -> Steps:
        """Ask."""
        text = check_question(arguments.question, box.max_question_chars, "question")
        answered = answer_once(box.answerer, caller, text, document_filter=arguments.filter)
        collector = Collector()
        for parts in collector.watch(answered.groups):
            yield "writing the answer" if parts else ""
        answer = collector.answer()
        yield _answer_text(answer), answer


TOOLS: tuple[Tool, ...] = (SearchTool(), ReadTool(), SourcesTool(), AskTool())


def _passage_text(n: int, hit: Hit) -> str:
    place = " > ".join([hit.title or hit.key, *hit.heading_path])
    link = f"\n{hit.url}" if hit.url else ""
    return f"[{n}] {place}{link}\ndocument_id: {hit.document_id}, characters {hit.start} to {hit.end}\n\n{hit.excerpt}"


def _answer_text(answer: CollectedAnswer) -> str:
    lines = [f"[{passage.n}] {passage.title}{f' {passage.url}' if passage.url else ''}" for passage in answer.citations]
    return "\n\n".join(part for part in (answer.text, answer.notice, "\n".join(lines)) if part)


_MAX_OFFSET = 2**31 - 1

_READ = sa.text("""
    select source_id, key, title, url, substr(text, :first, :limit) as text, char_length(text) as total_chars
    from documents where id = :id and workspace_id = :workspace_id and deleted_at is null
""")

_SOURCES = sa.text("""
    select s.id, s.name, s.kind,
      (select count(*) from documents d where d.source_id = s.id and d.deleted_at is null) as documents
    from sources s where s.workspace_id = :workspace_id order by s.name, s.id
""")
