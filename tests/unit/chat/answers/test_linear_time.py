"""The time to filter citations and to find sentences grows linearly with the text."""

import pytest

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.sentences import sentences
from tests.harness.adversarial.answers import ANSWERS, PASSAGES
from tests.harness.adversarial.markdown import MARKDOWN
from tests.harness.growth import check_linear


def stream(text: str, piece_chars: int) -> str:
    citations = CitationFilter(range(1, 9))
    pieces = (text[start : start + piece_chars] for start in range(0, len(text), piece_chars))
    return "".join(map(citations.feed, pieces)) + citations.finish()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ANSWERS)
def test_filtering_citations_takes_linear_time(name: str) -> None:
    check_linear(lambda text: stream(text, len(text)), ANSWERS[name])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ANSWERS)
def test_filtering_streamed_citations_takes_linear_time(name: str) -> None:
    check_linear(lambda text: stream(text, 100), ANSWERS[name])


@pytest.mark.sampled(31)
@pytest.mark.parametrize("name", MARKDOWN)
@pytest.mark.parametrize("piece_chars", [100, 1_000_000])
def test_filtering_citations_of_markdown_takes_linear_time(piece_chars: int, name: str) -> None:
    check_linear(lambda text: stream(text, piece_chars), MARKDOWN[name])


@pytest.mark.parametrize("name", PASSAGES)
def test_finding_sentences_takes_linear_time(name: str) -> None:
    check_linear(lambda text: list(sentences(text)), PASSAGES[name])


@pytest.mark.sampled(17)
@pytest.mark.parametrize("name", MARKDOWN)
def test_finding_sentences_of_markdown_takes_linear_time(name: str) -> None:
    check_linear(lambda text: list(sentences(text)), MARKDOWN[name])


@pytest.mark.parametrize("name", ANSWERS)
def test_filtered_answer_does_not_depend_on_its_pieces(name: str) -> None:
    text = ANSWERS[name](5_000)
    whole = stream(text, len(text))
    assert [stream(text, chars) for chars in (1, 7, 300)] == [whole] * 3
