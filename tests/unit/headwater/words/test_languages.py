"""Detection of languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.words.languages import MAX_CHARS, _words, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The pump is repaired by hand, and tested before it is used again.", "en"),
        ("Die Pumpe wird von Hand repariert und vor dem nächsten Einsatz geprüft.", "de"),
        ("La bomba se repara a mano y se prueba antes de volver a usarla.", "es"),
        ("Насос ремонтируют вручную и проверяют перед повторным использованием.", "ru"),
        ("Pumpen repareres for hånd og testes før den tas i bruk igjen på sykehuset.", "no"),
        ("这台水泵由手工修理，在再次使用之前要经过测试。" * 3, "zh"),
        ("ปั๊มซ่อมด้วยมือ และทดสอบก่อนนำกลับมาใช้อีกครั้ง", "th"),
        ("पंप की मरम्मत हाथ से की जाती है और दोबारा इस्तेमाल से पहले जाँच होती है।", "hi"),
        ("Ako imate poteškoća s čitanjem teksta na zaslonu, možete promijeniti veličinu slova u postavkama.", "hr"),
        ("Otvorite pregled aktivnosti, izaberite karticu sa slikom i pritisnite dugme ispod nje da je sačuvate.", "sr"),
        ("Mouse nirkabel dan optik perlu dibangunkan sebelum mereka bekerja kembali setelah komputer tidur.", "id"),
        ("Install.", None),
        ("x = f(a, b) + g[i] * 2; " * 20, None),
        (
            "The pump is repaired by hand, and tested before anyone uses it again. If a seal leaks, replace both, "
            "since they were made on the same day and wear at the same speed. Write down when you have done so. "
            + "mul_ptr xor_ptr nand_buf ptr_lst len_idx "
            * 50,
            "en",
        ),
        (
            "Pampu hii hutengenezwa kwa mikono na kupimwa kabla ya kutumiwa tena na watu wa hospitali. Kama bomba la "
            "maji linavuja, badilisha mihuri yote miwili, kwa sababu ilitengenezwa siku moja na huchakaa kwa kasi "
            "sawa. Andika katika kitabu cha kazi siku ya matengenezo, jina la fundi, na kiasi cha maji ya bomba "
            "kilichotoka wakati wa kupimwa kwa mara ya kwanza.",
            "sw",
        ),
        ("", None),
    ],
)
def test_language_is_detected_from_a_sentence(text: str, language: str | None) -> None:
    assert detect_language(text) == language


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_texts_are_those_of_others(text: str) -> None:
    assert _words(text) == _words(f"{text}→")


def test_only_the_beginning_is_read() -> None:
    assert detect_language("The pump is repaired by hand. " * 200 + "насос " * 10_000_000) == "en"
    assert MAX_CHARS < 6_000
