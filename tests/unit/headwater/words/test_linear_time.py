"""The time to count the words of a text grows linearly with it."""

import pytest

from headwater.words.analysis import _ids_of, count_words, query_words
from tests.harness.adversarial.texts import TEXTS
from tests.harness.growth import check_linear


def count_new_words(text: str) -> None:
    """Count words that were not seen before. Others are only looked up, at the speed of the processor's caches."""
    _ids_of.cache_clear()
    count_words(text, "en")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", TEXTS)
def test_counting_words_takes_linear_time(name: str) -> None:
    check_linear(count_new_words, TEXTS[name])


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", TEXTS)
def test_finding_the_words_of_a_question_takes_linear_time(name: str) -> None:
    check_linear(lambda text: query_words(text, ["en", "de", "ru"]), TEXTS[name])
