"""Conversations as Markdown, and the names of exported files."""

import datetime as dt
from typing import Literal

import pytest

from functions.chat.conversations.conversations import Conversation, MessageMetadata, UIMessage
from functions.chat.conversations.export import Format, cited_sources, file_name, to_markdown
from functions.chat.streams.ui_message_stream import (
    Citation,
    ReasoningPart,
    SourceMetadata,
    SourcePart,
    StoredPart,
    TextPart,
    WebCitation,
    WebMetadata,
    WebSourcePart,
)

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def message(role: Literal["user", "assistant"], *parts: StoredPart, notice: str | None = None) -> UIMessage:
    return UIMessage("m", role, list(parts), MessageMetadata("complete" if notice is None else "cut", notice, NOW))


def document(n: int, title: str, text: str, url: str | None = None, page: int | None = None) -> SourcePart:
    citation = Citation(
        document_id="d", start=0, end=len(text), heading_path=[title, "Care"], url=url, text=text, page=page
    )
    return SourcePart(
        source_id=str(n),
        media_type="text/markdown",
        title=title,
        filename=f"docs/{title}.md",
        provider_metadata=SourceMetadata(citation),
    )


def web_page(n: int, url: str) -> WebSourcePart:
    citation = WebCitation(start=0, end=3, heading_path=[], text="Oil.")
    return WebSourcePart(source_id=str(n), url=url, title="Pumps", provider_metadata=WebMetadata(citation))


ANSWER = message(
    "assistant",
    ReasoningPart(id="r1", text="A thought."),
    document(1, "Pump", "Oil it weekly.\n\n# Then stop", page=3),
    document(2, "Unread", "Never cited."),
    web_page(3, "https://pumps.example/a b"),
    document(4, "Manual", "See there.", url="https://git.example/manual.md"),
    TextPart(text="Weekly [1], says [3] too [4][1][9]."),
)

MARKDOWN = """\
# Care of \\*the\\* pump

## Question

How often?

## Answer

Weekly [1], says [3] too [4][1][9].

### Sources

- [1] **Pump** > Care, page 3, docs/Pump.md

  > Oil it weekly.
  >
  > # Then stop

- [3] **Pumps**, <https://pumps.example/a%20b>

  > Oil.

- [4] **Manual** > Care, <https://git.example/manual.md>

  > See there.

## Question

And then?

## Answer

*The model stopped.*
"""


def test_markdown_has_questions_answers_and_cited_sources() -> None:
    rest = [message("user", TextPart(text="And then?")), message("assistant", notice="The model stopped.")]
    messages = [message("user", TextPart(text="How often?")), ANSWER, *rest]
    assert to_markdown(Conversation("c1", "Care of *the*\npump", "", messages)) == MARKDOWN


def test_cited_sources_are_in_the_order_of_citations() -> None:
    assert [source.source_id for source in cited_sources(ANSWER.parts)] == ["1", "3", "4"]


def test_address_that_is_not_of_the_web_is_no_link() -> None:
    answer = message("assistant", document(1, "Pump", "x", url="javascript:alert(1)"), TextPart(text="[1]"))
    assert "javascript" not in to_markdown(Conversation("c1", "t", "", [answer]))


@pytest.mark.parametrize(
    ("title", "export_format", "expected"),
    [
        ("What is RLS?", "json", "What is RLS.json"),
        ("../a\\b:\x00c", "markdown", "a b c.md"),
        ("...", "markdown", "Conversation.md"),
        ("漢字", "json", "漢字.json"),
        ("x" * 200, "markdown", "x" * 80 + ".md"),
    ],
)
def test_file_name_has_only_characters_that_every_system_allows(
    title: str, export_format: Format, expected: str
) -> None:
    assert file_name(title, export_format) == expected
