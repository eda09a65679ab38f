"""Put the letters of words of right-to-left scripts in the order of reading. Pure.

PDFium returns some of these words of Chromium's PDFs from the left to the right, and others in the order of reading.
"""

import re
from collections.abc import Callable
from unicodedata import combining

_WORD = re.compile(r"[\u0590-\u065f\u066e-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]{2,}")
"""Letters of Hebrew, Arabic, Syriac and others. Their digits are written from the left to the right."""


def order_letters(line: str, place_of: Callable[[int], float]) -> str:
    """Reverse the words whose last letter is to the right of the first. `place_of` has the left end of a letter.

    Vowel marks are above or below their letters, so they say nothing of the order.
    """

    def ordered(match: re.Match[str]) -> str:
        letters = [at for at in range(*match.span()) if not combining(line[at])] or [match.start()]
        is_reversed = place_of(letters[0]) < place_of(letters[-1])
        return match[0][::-1] if is_reversed else match[0]

    return _WORD.sub(ordered, line)
