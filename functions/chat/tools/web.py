"""Tools that search the web and read its pages, as answers from the web do. Their passages can be cited.

What an agent has read must not make it send anything to an address: it opens only pages that a search has found, and
those that the person has named.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import msgspec

from functions.chat.answers.evidence import gather_from_web
from functions.chat.answers.links import normal_address
from functions.chat.streams.ui_message_stream import Stage, StagePart
from functions.chat.tools.knowledge import MAX_QUERY_CHARS, Found
from functions.chat.web.engines import MAX_URL_CHARS
from functions.chat.web.page_text import PageText
from functions.chat.web.ranking import WebPassage
from functions.chat.web.research import Request, Research
from headwater.errors import UnprocessableContent
from headwater.tools import Tool, ToolContext
from headwater.usage.record import Payer

MAX_READ_CHARS = 8_000
"""Of a page, in one call."""

MAX_SEARCHES = 30
"""Searches of the web for one answer: engines are paid for each."""

UNKNOWN_ADDRESS = (
    "This address can't be opened: web_search has not found it for this answer, and the person has not named it. Open "
    "only those, exactly as they are written."
)


class WebSearchArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to search for."""

    query: Annotated[str, msgspec.Meta(max_length=MAX_QUERY_CHARS, description="A question, or key words.")]
    limit: Annotated[int, msgspec.Meta(ge=1, le=20, description="Maximum number of passages.")] = 8


class WebSearch(Tool[WebSearchArguments]):
    """A search of the web: the best passages of the best pages."""

    name = "web_search"
    description = (
        "Searches the web, reads the best pages, and returns their best passages, each with a number [n] to cite and "
        "the page's address."
    )
    arguments_type = WebSearchArguments

    def __init__(self, research: Research, payer: Payer, *, is_owner: bool, count: Callable[[], int]) -> None:
        """`count` returns the searches of this answer, this one included."""
        self._research = research
        self._payer = payer
        self._is_owner = is_owner
        self._count = count

    def run(self, context: ToolContext, arguments: WebSearchArguments) -> Found | str:
        """Search. Returns why nothing was found as a text."""
        if not arguments.query.strip():
            raise UnprocessableContent("query is empty.")
        if self._count() > MAX_SEARCHES:
            raise UnprocessableContent(
                f"The web is searched at most {MAX_SEARCHES} times for an answer. Continue without another search."
            )
        request = Request(context.workspace_id, arguments.query, arguments.limit, payer=self._payer)
        steps = gather_from_web(self._research, request, is_owner=self._is_owner)
        stages: list[Stage] = []
        while True:
            try:
                stages += [part.data for part in next(steps) if isinstance(part, StagePart)]
            except StopIteration as end:
                return Found(end.value) if end.value else _nothing_found(stages)


def _nothing_found(stages: Sequence[Stage]) -> str:
    """Return what a search has found and read, for a model that may search again."""
    last = {stage.name: stage for stage in stages}
    reading = last.get("reading", Stage("reading"))
    lines = [f"Nothing on the web matches. Results: {last['searching'].total}, pages read: {reading.done}."]
    return "\n".join([*lines, *(f"Not read: {page.url} ({page.problem})" for page in reading.failed)])


class FetchPageArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of which page."""

    url: Annotated[str, msgspec.Meta(max_length=MAX_URL_CHARS, description="The address of the page.")]
    offset: Annotated[int, msgspec.Meta(ge=0, description="The first character to read.")] = 0


class FetchPage(Tool[FetchPageArguments]):
    """The text of a page. `openable` returns the addresses that may be opened."""

    name = "fetch_page"
    description = (
        f"Reads a web page's text, {MAX_READ_CHARS:,} characters at a time, in passages with a number [n] to cite. "
        "Opens only addresses that web_search has found, or that the person has named."
    )
    arguments_type = FetchPageArguments

    def __init__(self, research: Research, openable: Callable[[], Iterable[str]]) -> None:
        self._research = research
        self._openable = openable

    def run(self, context: ToolContext, arguments: FetchPageArguments) -> Found:
        """Read."""
        url = _without_fragment(arguments.url)
        if not normal_address(url) or normal_address(url) not in {
            normal_address(_without_fragment(known)) for known in self._openable()
        }:
            raise UnprocessableContent(UNKNOWN_ADDRESS)
        final_url, page = self._research.read_page(context.workspace_id, url)
        return part_of_page(final_url, page, arguments.offset)


def part_of_page(url: str, page: PageText, offset: int) -> Found:
    """Return the passages of a page from an offset on. Raises UnprocessableContent if there are none."""
    chosen: list[WebPassage] = []
    end = offset
    for passage in page.passages:
        if passage.end <= offset:
            continue
        if chosen and passage.end - chosen[0].start > MAX_READ_CHARS:
            break
        chosen.append(_passage(url, page, passage.start, passage.end, passage.heading_path))
        end = passage.end
    if not chosen:
        raise UnprocessableContent(f"offset: the page has only {len(page.text):,} characters.")
    is_whole = end == page.passages[-1].end
    return Found(chosen, "" if is_whole else f"(Read on at offset {end} of {len(page.text)}.)")


def _passage(url: str, page: PageText, start: int, end: int, heading_path: list[str]) -> WebPassage:
    return WebPassage(
        url=url,
        title=page.title,
        heading_path=heading_path,
        text=page.text[start:end],
        start=start,
        end=end,
        score=0.0,
        similarity=None,
        overlap=0.0,
        relevant=True,
    )


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]
