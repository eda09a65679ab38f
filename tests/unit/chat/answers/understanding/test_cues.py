"""Cues in many languages: small talk, wishes about the answer, and questions that refer to what was said."""

# ruff: noqa: RUF001 - languages have letters that look like those of others

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.understanding.cues import (
    MAX_TALK_CHARS,
    is_about_the_answer,
    is_follow_up,
    is_small_talk,
    likely_languages,
    whole_message,
)

MESSAGES = {
    # language: (small talk, a wish about the answer, a question that goes on, a question for the documents)
    "en": ("Thanks a lot, that's great!", "Translate it into German", "And on Windows?", "Explain row-level security"),
    "de": (
        "Danke, sehr gut!",
        "Kannst du das genauer erklären?",
        "Und unter Windows?",
        "Wie oft wird die Pumpe geölt?",
    ),
    "fr": ("Merci beaucoup !", "Peux-tu résumer ta réponse ?", "Et sous Windows ?", "Où se trouve la vanne ?"),
    "es": ("¡Muchas gracias!", "Explica eso otra vez, por favor", "¿Y en Windows?", "¿Dónde está la válvula?"),
    "it": ("Grazie mille!", "Puoi riassumere la tua risposta?", "E su Windows?", "Dove si trova la valvola?"),
    "pt": ("Muito obrigado!", "Pode explicar isso de novo?", "E no Windows?", "Onde fica a válvula da bomba?"),
    "nl": ("Dank je wel!", "Kun je dat nog eens uitleggen?", "En op Windows?", "Waar zit de klep van de pomp?"),
    "sv": ("Tack så mycket!", "Kan du förklara det igen?", "Och på Windows?", "Var sitter pumpens ventil?"),
    "da": ("Mange tak!", "Kan du forklare det igen?", "Og på Windows?", "Hvor sidder pumpens ventil?"),
    "no": ("Tusen takk!", "Kan du forklare det igjen?", "Og på Windows?", "Hvor sitter ventilen på pumpen?"),
    "fi": ("Kiitos paljon!", "Voitko selittää sen uudelleen?", "Entä Windowsissa?", "Missä pumpun venttiili on?"),
    "pl": ("Dziękuję bardzo!", "Wyjaśnij to jeszcze raz, proszę", "A na Windows?", "Gdzie znajduje się zawór pompy?"),
    "cs": ("Moc děkuji!", "Vysvětli to ještě jednou, prosím", "A na Windows?", "Kde je ventil čerpadla?"),
    "hu": ("Nagyon köszönöm!", "Magyarázd el még egyszer, kérlek", "És Windows alatt?", "Hol van a szivattyú szelepe?"),
    "ro": ("Mulțumesc mult!", "Te rog, explică din nou", "Și pe Windows?", "Unde se află supapa pompei?"),
    "tr": ("Çok teşekkür ederim!", "Bunu tekrar açıkla, lütfen", "Peki Windows?", "Pompanın vanası nerede?"),
    "ru": ("Большое спасибо!", "Объясни это ещё раз, пожалуйста", "А на Windows?", "Где находится клапан насоса?"),
    "uk": ("Щиро дякую!", "Поясни це ще раз, будь ласка", "А на Windows?", "Де знаходиться клапан насоса?"),
    "el": ("Ευχαριστώ πολύ!", "Εξήγησε το ξανά, παρακαλώ", "Και στα Windows;", "Πού βρίσκεται η βαλβίδα της αντλίας;"),
    "ar": ("شكرا جزيلا!", "اشرح ذلك مرة أخرى من فضلك", "وماذا عن ويندوز؟", "أين يقع صمام المضخة؟"),
    "he": ("תודה רבה!", "תסביר את זה שוב, בבקשה", "ומה עם Windows?", "איפה נמצא שסתום המשאבה?"),
    "hi": ("बहुत धन्यवाद!", "कृपया इसे फिर से समझाएं", "और Windows पर?", "पंप का वाल्व कहाँ लगा है?"),
    "id": (
        "Terima kasih banyak!",
        "Tolong jelaskan itu sekali lagi",
        "Dan di Windows?",
        "Katup pompa terletak di mana?",
    ),
    "vi": ("Cảm ơn nhiều!", "Vui lòng giải thích lại điều đó", "Còn Windows thì sao?", "Van của máy bơm nằm ở đâu?"),
    "zh": ("谢谢你！", "请用一句话总结", "那 Windows 呢？", "水泵的阀门在哪里？"),
    "ja": (
        "ありがとうございます。",
        "もっと詳しく説明してください",
        "では Windows は？",
        "ポンプのバルブはどこにありますか？",
    ),
    "ko": ("정말 감사합니다!", "더 자세히 설명해 주세요", "그럼 Windows는?", "펌프 밸브는 어디에 있습니까?"),
}


@pytest.mark.parametrize("language", MESSAGES)
def test_messages_are_understood_in_each_language(language: str) -> None:
    talk, about, follow_up, question = MESSAGES[language]
    assert (is_small_talk(talk), is_about_the_answer(talk)) == (True, False)
    assert (is_small_talk(about), is_about_the_answer(about)) == (False, True)
    assert (is_small_talk(follow_up), is_about_the_answer(follow_up), is_follow_up(follow_up)) == (False, False, True)
    assert (is_small_talk(question), is_about_the_answer(question), is_follow_up(question)) == (False, False, False)


def test_question_compiles_whole_messages_of_few_languages() -> None:
    whole_message.cache_clear()
    assert not is_small_talk("Which settings limit the size of a repository?")
    assert whole_message.cache_info().currsize <= 3


@pytest.mark.parametrize(
    "message",
    [
        *("Hello!", "OK 👍", "thanks anyway!", "Hi there", "Good morning 🙂", "谢谢"),
        *("🙂", "❤️ 👍🏽!", "Thanks ❤️", "Thanks ⭐", "⏰", "👨\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e007f"),
    ],
)
def test_small_talk_is_recognised(message: str) -> None:
    assert is_small_talk(message)


@pytest.mark.parametrize(
    "message",
    ["Hello world program", "What is a thank you page?", "Summarise the deployment guide", "OKR", "🙂 OKR", "?", ""],
)
def test_messages_with_other_words_are_questions(message: str) -> None:
    assert not is_small_talk(message)
    assert not is_about_the_answer(message)


@pytest.mark.parametrize(
    "message",
    ["Are you sure?", "Shorter, please", "In one sentence: summarise your answer", "Go on", "Explain that again"],
)
def test_wishes_about_the_answer_are_recognised(message: str) -> None:
    assert is_about_the_answer(message)


def test_words_count_in_likely_languages_only() -> None:
    assert likely_languages("Und unter Windows?") == ["de"]
    assert not is_follow_up("Wie oft wird die Pumpe geölt?")  # "die" refers back in Dutch
    assert is_follow_up("En die van Windows?")


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("\u6c34\u6cf5\u591a\u4e45\u52a0\u4e00\u6b21\u6cb9?", ["zh"]),
        ("\u30dd\u30f3\u30d7\u306f\u3044\u3064\u7d66\u6cb9\u3057\u307e\u3059\u304b", ["ja"]),
        ("\ud38c\ud504\ub294 \uc5b8\uc81c \uae09\uc720\ud569\ub2c8\uae4c?", ["ko"]),
        ("\u0924\u0947\u0932 \u0915\u092c \u0921\u093e\u0932\u093e \u091c\u093e\u0924\u093e \u0939\u0948?", ["hi"]),
    ],
    ids=["zh", "ja", "ko", "hi"],
)
def test_language_is_told_by_characters_and_stop_words(text: str, languages: list[str]) -> None:
    assert likely_languages(text) == languages


@given(st.text(max_size=MAX_TALK_CHARS * 2))
def test_any_text_is_read(text: str) -> None:
    assert not (is_small_talk(text) and len(text) > MAX_TALK_CHARS)
    is_about_the_answer(text)
    is_follow_up(text)
