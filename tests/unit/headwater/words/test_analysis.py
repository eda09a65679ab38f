"""Words of texts: what a name is found by, in many scripts and languages."""

import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.words import analysis
from headwater.words.analysis import (
    _ASCII_WORD,
    MAX_COUNT,
    MAX_DISTINCT,
    WORD_IDS,
    _ids_of,
    _letters,
    _stemmer,
    _word,
    binary_vector,
    count_words,
    names,
    query_words,
    sparse_vector,
    word_sequence,
)


def words(text: str) -> set[str]:
    return {word.text for word in query_words(text, ())}


def is_found(query: str, text: str, language: str = "en") -> bool:
    """Return whether a text contains every word of a query."""
    counts = count_words(text, language)
    return all(counts.keys() & word.ids for word in query_words(query, [language]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("std::vector", {"std::vector", "std", "vector"}),
        ("MessageDigestFunction", {"messagedigestfunction", "message", "digest", "function"}),
        ("HTTPServer", {"httpserver", "http", "server"}),
        ("PPR-9087", {"ppr-9087", "ppr", "9087"}),
        ("snake_case", {"snake_case", "snake", "case"}),
        ("DESCRIPCIÓN ÜBERSICHT", {"descripción", "übersicht"}),
        ("MAX_LÄNGE", {"max_länge", "max", "länge"}),
        ("ÜberSicht", {"übersicht", "über", "sicht"}),
        ("a.b()", {"a.b", "a", "b"}),
        ("/path/to", {"path/to", "path", "to"}),
        ("v0.10.3", {"v0.10.3", "v0", "10", "3"}),
        ("C++ and C#", {"c++", "and", "c#"}),
        ("Brianna’s “Law”—here…now", {"brianna", "s", "law", "here", "now"}),
        ("one\u00a0two\u2009three", {"one", "two", "three"}),
        ("soft\u00adhyphen", {"softhyphen"}),
        ("ﬁle ＡＢＣ", {"file", "abc"}),
        ("東京Tower大学院", {"東京", "tower", "大学", "学院"}),
        ("水", {"水"}),
        ("สวัสดี", {"สว", "วั", "ัส", "สด", "ดี"}),
        ("हिन्दी में", {"हिन्दी", "में"}),
        ("", set()),
        ("?! …", set()),
        ("👩\u200d👧 🏳\ufe0f \u0301", {"👩", "👧", "🏳"}),
        ("✔\ufe0f Heart❤\ufe0fbeat", {"✔", "heart", "❤", "beat"}),
        ("👍🏽 🇩🇪❶", {"👍", "🇩🇪", "❶"}),
    ],
)
def test_names_are_found_as_written_and_by_their_parts(name: str, expected: set[str]) -> None:
    assert words(name) == expected


@pytest.mark.parametrize(
    ("query", "text", "language"),
    [
        ("install databases", "Installing the database", "en"),
        ("corriendo", "Los niños corren", "es"),
        ("cafe", "Un café", "fr"),
        ("Häuser", "Das Haus", "de"),
        ("книга", "Читаю книги", "ru"),
        ("كتب", "الكتب", "ar"),
        ("किताबें", "किताब", "hi"),
        ("katalogów", "Zmienić katalog", "pl"),
        ("souborech", "Vypsat soubory", "cs"),
        ("datotekama", "Popis datoteka", "hr"),
        ("datoteka", "Опис датотека", "sr"),
        ("کتابهای", "این کتاب", "fa"),
        ("налаштувань", "Змінити налаштування", "uk"),
        ("програмите", "Тази програма", "bg"),
        ("I\u015eIKLAR", "\u0131\u015f\u0131klar\u0131n", "tr"),
        ("東京", "私は東京に住んでいます", "ja"),
        ("학교", "학교에서", "ko"),
        ("ภาษา", "ภาษาไทย", "th"),
        ("👍🏿", "Fine 👍", "en"),
        ("STRASSE", "Straße", "de"),
        ("messagedigestfunction", "call MessageDigestFunction()", "en"),
        ("digest", "call MessageDigestFunction()", "en"),
    ],
)
def test_word_forms_and_spellings_match(query: str, text: str, language: str) -> None:
    assert is_found(query, text, language)
    assert not is_found("zebra", text, language)


@pytest.mark.parametrize(("query", "text"), [("0.10.3", "Since v0.10.3."), ("V0.10.3-rc1", "Since 0.10.3-rc1.")])
def test_version_is_found_with_and_without_its_v(query: str, text: str) -> None:
    version = query_words(query, ["en"])[0]
    assert version.text == query.lower()
    assert count_words(text, "en").keys() & version.ids


def test_names_with_signs_and_digits_are_not_cut() -> None:
    assert not is_found("systemd-networkd", "systemd-resolved", "sk")
    assert not is_found("libssl30", "libssl11", "sk")
    assert is_found("systemd-networkd", "služba systemd-networkd", "sk")


def test_query_is_looked_up_in_each_language() -> None:
    query = query_words("Häuser running", ["de", "en"])
    assert all(len(word.ids) == 2 for word in query)
    assert query[0].ids & count_words("Haus", "de").keys()
    assert query[1].ids & count_words("run", "en").keys()


def test_threads_share_no_stemmer() -> None:
    text = " ".join(f"installing{n} databases{n} running{n}" for n in range(300))
    expected = query_words(text, ["en", "de"])
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected for found in pool.map(query_words, [text] * 16, [["en", "de"]] * 16))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_stemmer, "en").result() is not _stemmer("en")


def test_few_ids_are_kept_of_all_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_MAX_CACHED", 20)  # each text adds a name and its word
    codes = [first + second for first in "abcdef" for second in "abcdef"]
    assert [count_words("found", code) for code in codes] == [count_words("found", code) for code in codes]
    assert _ids_of.cache_info().currsize <= 10


def test_repeated_words_are_counted_and_bounded() -> None:
    assert list(count_words("go go " + "went " * 40_000, "en").values()) == [2, MAX_COUNT]
    assert len(count_words(" ".join(f"w{n}" for n in range(20_000)), "en")) == MAX_DISTINCT


def test_emoji_counts_once() -> None:
    row = "| Backup | ✅ | ❌ | ✅ |\n"
    assert sorted(count_words(10 * row, "en").values()) == [1, 1, 10]


def test_word_sequence_has_the_counted_words_in_their_order() -> None:
    text = "Query the search engine, then 搜索引擎 and std::vector."
    sequence = word_sequence(text, "en")
    assert Counter(sequence) == count_words(text, "en")
    search, engine = (next(iter(word.ids)) for word in query_words("searching engines", ["en"]))
    assert sequence.index(engine) == sequence.index(search) + 1


def test_binary_vector_has_words_in_order() -> None:
    assert binary_vector({5: 2, 3: 1}) == struct.pack(">5i2f", 1_000_000_000, 2, 0, 2, 4, 1, 2)


def test_sparse_vector_matches_the_syntax_of_pgvector() -> None:
    assert sparse_vector({3: 1, 5: 2}) == "{3:1,5:2}/1000000000"


@given(st.text())
def test_every_word_of_a_text_finds_it(text: str) -> None:
    counts = count_words(text, "en")
    assert all(1 <= number <= WORD_IDS and 1 <= n <= MAX_COUNT for number, n in counts.items())
    assert all(word.ids & counts.keys() for word in query_words(text, ["en"]))


def test_words_in_ascii_are_found_without_the_marks_of_other_scripts() -> None:
    _letters.cache_clear()
    assert words("How does C++ call std::snake_case#1?") >= {"how", "c++", "std", "snake", "case"}
    assert _letters.cache_info().currsize == 0


@given(st.text(st.characters(max_codepoint=127)))
def test_words_in_ascii_are_those_of_the_general_pattern(text: str) -> None:
    for name in names(text):
        assert _ASCII_WORD.findall(name) == _word().findall(name)
