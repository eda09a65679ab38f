"""The order of letters of right-to-left words."""

from functions.collection.parsers.pdf.right_to_left import order_letters


def test_words_that_go_from_the_left_to_the_right_are_reversed() -> None:
    places = [50.0, 40.0, 30.0, 25.0, 1.0, 2.0, 3.0, 60.0, 70.0]
    assert order_letters("\u05d0\u05d1\u05d2 \u05d3\u05d4\u05d5 ab", places.__getitem__) == (
        "\u05d0\u05d1\u05d2 \u05d5\u05d4\u05d3 ab"
    )


def test_mark_beside_its_only_letter_does_not_reverse_a_word() -> None:
    assert order_letters("\u0648\u064e", [10.0, 12.0].__getitem__) == "\u0648\u064e"


def test_digits_are_not_reversed() -> None:
    assert order_letters("\u0662\u0665", [10.0, 12.0].__getitem__) == "\u0662\u0665"
