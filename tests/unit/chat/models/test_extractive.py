"""The extractive model: verbatim quotes, and the score that selects them."""

import re
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.citations import CitationFilter
from functions.chat.answers.pieces import Finish
from functions.chat.answers.prompt import ModelInput
from functions.chat.answers.sentences import sentences
from functions.chat.models.extractive import INTRODUCTION, Extractive, choose_quotes
from functions.chat.retrieval.search import Passage
from tests.fakes.chat_provider import fake_passage
from tests.harness.adversarial.answers import PASSAGES
from tests.harness.growth import check_linear


def quoted_texts(question: str, *passages: Passage) -> list[tuple[int, str]]:
    return [(q.n, passages[q.n - 1].text[q.start : q.end]) for q in choose_quotes(question, passages)]


def answer(question: str, *passages: Passage) -> str:
    *text, last = Extractive().answer(ModelInput(question, question, [], passages))
    assert last == Finish("stop")
    return "".join(map(str, text))


def test_score_matches_the_docstring_example() -> None:
    text = "Install it with pip on any system. It needs Python 3.11 or newer, nothing else."
    assert quoted_texts("install headwater", fake_passage(text)) == [(1, "Install it with pip on any system.")]
    [quote] = choose_quotes("install headwater", [fake_passage(text)])
    assert quote.score == pytest.approx(1.0)


def test_score_weighs_rare_words_headings_and_the_passage() -> None:
    first = fake_passage(
        "The port is set with PORT in the file. The port is open to all of them.", heading_path=["Config"]
    )
    second = fake_passage("The port of a config is read at start.", score=0.5)
    port, config = log(1 + 3 / 3), log(1 + 3 / 1)
    scores = [quote.score for quote in choose_quotes("port config", [first, second])]
    expected_first = (port + config / 2) / (port + config)
    assert scores == pytest.approx([expected_first, expected_first, 0.5])


def test_long_sentence_scores_lower() -> None:
    long = " ".join(["The cache is kept on the disk"] * 10) + "."
    short = "The cache is kept in memory."
    [first, second] = choose_quotes("cache", [fake_passage(f"{short} {long}")])
    assert (first.score, second.score) == pytest.approx((1.0, 40 / 70))


def test_quotes_are_limited_to_five_and_three_per_passage() -> None:
    many = " ".join(f"The cache number {n} is kept there." for n in range(9))
    quotes = quoted_texts("cache", *[fake_passage(many.replace("kept", verb)) for verb in ("kept", "stored", "put")])
    assert [n for n, _ in quotes] == [1, 1, 1, 2, 2]


def test_repeated_sentence_is_quoted_once() -> None:
    text = "The cache is kept on disk."
    assert quoted_texts("cache", fake_passage(text), fake_passage(text)) == [(1, text)]


def test_sentence_with_much_code_is_quoted() -> None:
    text = "Use `std::vector<int>` and `a.b()` in `/path/to/file` since v0.10.87."
    other = fake_passage("This other passage adds a flag.")
    assert quoted_texts("What does v0.10.87 add?", fake_passage(text), other)[0] == (1, text)


def test_passages_without_shared_words_give_first_sentences() -> None:
    passages = [fake_passage(f"Nothing in common with it, number {n}. And more of the same.") for n in range(4)]
    assert quoted_texts("zebra", *passages) == [(n, f"Nothing in common with it, number {n - 1}.") for n in (1, 2, 3)]


def test_answer_names_chat_model_and_cites_each_quote() -> None:
    text = "- Install it with pip on\n  any system.\n- Configure nothing at all."
    assert answer("install", fake_passage(text)) == INTRODUCTION + "> Install it with pip on\n>   any system. [1]\n\n"
    assert "CHAT_MODEL" in INTRODUCTION


def test_passage_without_prose_is_quoted_as_code() -> None:
    code = "```python\nprint('hello')\n```"
    block = "> ````\n> ```python\n> print('hello')\n> ```\n> ````\n>\n> [1]\n\n"
    assert answer("hello", fake_passage(code)) == INTRODUCTION + block


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Is three?", ["One is here.", "Two is there!", "Is three?"]),
        ("Use e.g. Postgres or i.e. This one.", ["Use e.g. Postgres or i.e. This one."]),
        ("Resturlaub verfällt am 31. März. Danach nicht.", ["Resturlaub verfällt am 31. März.", "Danach nicht."]),
        ("Es gibt z. B. Kaffee. Tee auch.", ["Es gibt z. B. Kaffee.", "Tee auch."]),
        ("Ask Dr. Smith or J. Ortega. Or me.", ["Ask Dr. Smith or J. Ortega.", "Or me."]),
        ("It costs 30. Then it stops. May I? Yes.", ["It costs 30.", "Then it stops.", "May I?", "Yes."]),
        ("Version 3.11 is fine.", ["Version 3.11 is fine."]),
        ("A paragraph over\ntwo lines.\n\nAnother.", ["A paragraph over\ntwo lines.", "Another."]),
        ("# Heading\nText under it.\n## More\n", ["Text under it."]),
        ("| a | b |\n|---|---|\nAfter a table.", ["After a table."]),
        ("```\ncode. Not prose.\n```\nProse.", ["Prose."]),
        ("1. First thing.\n2. Second thing.\n- [x] Done thing.", ["First thing.", "Second thing.", "Done thing."]),
        ("> [!NOTE]\n> A quoted line.\n> And one more.", ["A quoted line.", "And one more."]),
        ("cut(off);\n```\nProse after it.", ["Prose after it."]),
        ("Prose before.\n```c\ncut(off);", ["Prose before."]),
        ("Text.\n\n    indented code\n\nText again.", ["Text.", "Text again."]),
        ("[ref]: https://example.org\nText.", ["Text."]),
        (
            'What ("And on Windows?"\n\u2192 "On which?"). Next.',
            ['What ("And on Windows?"\n\u2192 "On which?").', "Next."],
        ),
        ("Él dijo «no». ¿Y ahora? «Sí». Fin.", ["Él dijo «no».", "¿Y ahora?", "«Sí».", "Fin."]),
        ("「一句。」二句", ["「一句。」", "二句"]),
        ("\u4e00\u53e5\u3002\u4e24\u53e5\u3002", ["\u4e00\u53e5\u3002", "\u4e24\u53e5\u3002"]),
        ('=== "The lamp in style sheets"\n\n??? example "Expand to show the lamps"\n\nText.', ["Text."]),
        (":   <!-- md:default none --> <!-- md:flag -->\n    It sets the title.", ["It sets the title."]),
        ('{% include note.html content="All night." %}\n\nalias:: Lamps, Lights\n\n"A title"\n\nText.', ["Text."]),
        ("[![Consent of the lamp]][Consent]\n\n#tag #other/tag\n\n- ## A heading\n- Text.", ["Text."]),
        ("", []),
    ],
)
def test_sentences_are_found_in_markdown(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "The cache is small, as [3] has measured.",
        "The cache is cleared as follows:",
        "[A link to the cache and no more](cache.md)",
        '"short": "${env.INCLUDE};${env.ROOT}\\\\x",',
        "`return cache.get(key) || {};`",
        "Too short.",
    ],
)
def test_misleading_sentence_is_not_quoted(text: str) -> None:
    passage = fake_passage(f"{text}\n\nThe cache is not code.")
    assert quoted_texts(f"{text} code", passage) == [(1, "The cache is not code.")]


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        (
            "Wie oft werden die Pumpen geölt?",
            "Die Werkstatt hat montags offen. Eine Pumpe ist alle 500 Stunden zu ölen, sie wird geölt im Stand.",
            "Eine Pumpe ist alle 500 Stunden zu ölen, sie wird geölt im Stand.",
        ),
        (
            "¿Cuándo se engrasan las bombas?",
            "El taller abre los lunes por la mañana. La bomba se engrasa cada 500 horas.",
            "La bomba se engrasa cada 500 horas.",
        ),
        (
            "Когда смазывают насосы?",
            "Мастерская открыта по понедельникам. Насос смазывается каждые 500 часов.",
            "Насос смазывается каждые 500 часов.",
        ),
        (
            "पंप में तेल कब डाला जाता है?",
            "कार्यशाला सोमवार को खुलती है। पंप में हर 500 घंटे पर तेल डाला जाता है।",
            "पंप में हर 500 घंटे पर तेल डाला जाता है।",
        ),
        (
            "متى يتم تشحيم المضخة؟",
            "تفتح الورشة يوم الاثنين صباحا. يتم تشحيم المضخة كل 500 ساعة.",
            "يتم تشحيم المضخة كل 500 ساعة.",
        ),
        ("水泵多久加一次油?", "车间每周一上午开放。水泵每500小时加一次油。", "水泵每500小时加一次油。"),
        (
            "ポンプはいつ給油しますか",
            "工場は月曜日に開きます。ポンプは500時間ごとに給油します。",
            "ポンプは500時間ごとに給油します。",
        ),
    ],
    ids=["de", "es", "ru", "hi", "ar", "zh", "ja"],
)
def test_best_sentence_is_quoted_in_its_language(question: str, text: str, expected: str) -> None:
    best = max(choose_quotes(question, [fake_passage(text)]), key=lambda quote: quote.score)
    assert text[best.start : best.end] == expected


@given(st.lists(st.text(alphabet="ab .!?\n`[]()>#-|1", max_size=120), min_size=1, max_size=4), st.text(max_size=20))
def test_quotes_are_verbatim_with_valid_citations(texts: list[str], question: str) -> None:
    passages = [fake_passage(text) for text in texts]
    for n, text in quoted_texts(question, *passages):
        assert text in texts[n - 1]
    text = answer(question, *passages)
    citations = CitationFilter(range(1, len(passages) + 1))
    assert citations.feed(text) + citations.finish() == text
    assert citations.cited == {int(n) for n in re.findall(r"\[(\d+)\]\n\n", text)} != set()


@pytest.mark.parametrize("name", PASSAGES)
def test_choosing_quotes_takes_linear_time(name: str) -> None:
    def choose(text: str) -> None:
        choose_quotes(text, [fake_passage(text[start:][:4_000]) for start in range(0, len(text), 4_000)])

    # From several passages on: the first has its start of its own.
    check_linear(choose, PASSAGES[name], smallest=16_000, largest=256_000)
