"""Weights of the words of a query."""

import pytest

from functions.chat.retrieval.words import weigh_words
from headwater.words.analysis import query_words


@pytest.mark.parametrize(
    ("language", "query", "weights"),
    [
        ("en", "used pumps", {"used": 0.5, "pumps": 1.0}),
        ("zh", "何时宣布", {"何时": 0.5, "时宣": 1.0, "宣布": 1.0}),
        ("zh", "堡垒叫什么", {"堡垒": 1.0, "垒叫": 1.0, "叫什": 1.0, "什么": 0.5}),
        ("ja", "天井は誰", {"天井": 1.0, "井は": 0.5, "は誰": 0.5}),
        ("ko", "예배당의", {"예배": 1.0, "배당": 1.0, "당의": 1.0}),
        ("th", "ใคร", {"ใค": 1.0, "คร": 1.0}),
    ],
)
def test_common_words_and_pairs_with_one_weigh_half(language: str, query: str, weights: dict[str, float]) -> None:
    words = [word.text for word in query_words(query, [language])]
    weighed = weigh_words(query, [language], ())
    assert {text: word.weight for text, word in zip(words, weighed, strict=True)} == weights


@pytest.mark.parametrize(
    ("query", "share"), [("堡垒", 0.5), ("天井", 0.5), ("예배", 0.5), ("ใค", 1.0), ("pump", 1.0), ("ab", 1.0)]
)
def test_texts_have_half_of_the_pairs_of_syllables_that_a_query_has(query: str, share: float) -> None:
    assert [word.share for word in weigh_words(query, ["en"], ())] == [share]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("🚀", "🚀"),
        ("What is 🚀?", "🚀"),
        ("Where is the launch? 🚀", "launch"),
        ("What is the?", "what is the"),
        ("?!", ""),
    ],
)
def test_emoji_are_looked_up_without_other_words_only(query: str, kept: str) -> None:
    expected = [word.ids for word in query_words(kept, ["en"])]
    assert [word.ids for word in weigh_words(query, ["en"], {"what", "where", "is", "the"})] == expected


ENGLISH = {"what", "is", "the", "of", "was", "will", "to", "do", "i"}


@pytest.mark.parametrize(
    ("language", "query", "kept"),
    [
        ("cs", "What is the name of the pump?", ["name", "pump"]),
        ("de", "What is the name of the pump?", ["name", "pump"]),
        ("de", "Was will der Mann mit der Pumpe?", ["was", "will", "der", "mann", "mit", "pumpe"]),
        ("pl", "Jak to do mnie trafiło?", ["jak", "to", "do", "mnie", "trafiło"]),
        ("hr", "Kako do pomoći i za što", ["kako", "do", "pomoći", "i", "za", "što"]),
        ("cs", "Odstranit the pump", ["odstranit", "the", "pump"]),
        ("en", "What is the pump?", ["what", "is", "the", "pump"]),
        ("cs", "What is the?", ["what", "is", "the"]),
    ],
)
def test_stop_words_of_english_are_left_out_of_questions_in_english_only(
    language: str, query: str, kept: list[str]
) -> None:
    expected = [word.ids for text in kept for word in query_words(text, [language])]
    assert [word.ids for word in weigh_words(query, [language], (), ENGLISH)] == expected
