"""Stop words, by the codes of documents' languages."""

from functions.chat.common_words import common_words


def test_languages_have_stop_words() -> None:
    assert common_words(("en", "de")) >= {"the", "nicht"}
    assert "ikke" in common_words(("no",))
    assert common_words(("xx",)) == set()
