"""The tokenizer without a model."""

from hypothesis import given
from hypothesis import strategies as st

from headwater.embedding.constant import WordTokenizer

_PARTS = st.lists(st.sampled_from(["a", "Zz9", "under_score", " ", "\t\n", "\x1c\x1f", "\x00", "-", "<=", "x" * 30]))


def test_tokens_are_signs_and_pieces_of_words() -> None:
    text = " abcdefghij, (k_l)\n"
    assert WordTokenizer().starts([text, "", " \n"]) == [[1, 9, 11, 13, 14, 15, 16, 17], [], []]


@given(_PARTS)
def test_long_text_in_ascii_has_the_tokens_of_its_beginning_and_end(parts: list[str]) -> None:
    """A text in ASCII from a length on is split by numpy, others by a pattern. The first letter is not in ASCII."""
    text = "".join(parts)
    long = f"{' ' * 600}{text}"
    [others, in_ascii] = WordTokenizer().starts([f"é {long}", f"- {long}"])
    assert in_ascii == others
