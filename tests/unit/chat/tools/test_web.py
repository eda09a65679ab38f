"""Parts of a web page as passages for an agent."""

import pytest

from functions.chat.tools.web import MAX_READ_CHARS, part_of_page
from functions.chat.web.page_text import PagePassage, PageText
from functions.chat.web.ranking import Evidence
from headwater.errors import UnprocessableContent

URL = "https://a.example/"
TEXT = "".join(f"{n:999}\n" for n in range(20))
PAGE = PageText("Title", "en", TEXT, [PagePassage(n * 1000, n * 1000 + 999, ["Part"], {}) for n in range(20)])


def test_parts_have_each_passage_once() -> None:
    offset = 0
    found: list[Evidence] = []
    while True:
        part = part_of_page(URL, PAGE, offset)
        assert sum(len(passage.excerpt) for passage in part.passages) <= MAX_READ_CHARS
        found += part.passages
        if not part.note:
            break
        offset = int(part.note.removeprefix("(Read on at offset ").removesuffix(" of 20000.)"))
    assert [passage.start for passage in found] == [n * 1000 for n in range(20)]
    assert [passage.excerpt for passage in found] == [TEXT[n * 1000 : n * 1000 + 999] for n in range(20)]


def test_passage_that_has_the_offset_is_whole() -> None:
    assert part_of_page(URL, PAGE, 1500).passages[0].start == 1000


def test_passage_longer_than_a_part_is_returned() -> None:
    page = PageText("", "en", "x" * 9_000, [PagePassage(0, 9_000, [], {})])
    assert [passage.end for passage in part_of_page(URL, page, 0).passages] == [9_000]


@pytest.mark.parametrize("offset", [19_999, 10**12])
def test_offset_beyond_the_page_is_an_error(offset: int) -> None:
    with pytest.raises(UnprocessableContent, match="the page has only 20,000 characters"):
        part_of_page(URL, PAGE, offset)
