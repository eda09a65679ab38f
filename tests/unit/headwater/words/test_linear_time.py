"""The time to count the words of a text grows linearly with it."""

import pytest

from headwater.words.analysis import count_words, query_words
from tests.harness.adversarial.texts import TEXTS
from tests.harness.growth import check_linear


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", TEXTS)
def test_counting_words_takes_linear_time(name: str) -> None:
    # Of longer texts, the names are looked up in more memory than the processor's caches hold.
    check_linear(lambda text: count_words(text, "en"), TEXTS[name], largest=64_000)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", TEXTS)
def test_finding_the_words_of_a_question_takes_linear_time(name: str) -> None:
    check_linear(lambda text: query_words(text, ["en", "de", "ru"]), TEXTS[name])
