"""Adversarial bytes of text files: valid and invalid text in several encodings."""

from collections.abc import Callable
from itertools import product

_MARKS = {"without a mark": b"", "UTF-8": b"\xef\xbb\xbf", "UTF-16": b"\xff\xfe", "big-endian UTF-16": b"\xfe\xff"}
_UNITS = {
    "letters": b"ab",
    "lines": b"a\n",
    "carriage returns": b"\r\r",
    "mixed line breaks": b"\r\na\r\n\n",
    "accents": b"\xc3\xa9",
    "invalid bytes": b"\xff\xff",
    "unfinished characters": b"\xe3\x81",
    "unfinished characters and letters": b"\xf0\x9f\xa6a",
    "continuations": b"\x80\x80",
    "lone surrogates": b"\x00\xd8",
    "lone surrogates of UTF-8": b"\xed\xa0\x80a",
    "replacement characters": b"\xef\xbf\xbda",
}


def _repeated(mark: bytes, unit: bytes) -> Callable[[int], bytes]:
    return lambda size: mark + unit * (size // len(unit))


ENCODINGS = {
    f"{unit} in a file {mark}": _repeated(_MARKS[mark], _UNITS[unit]) for mark, unit in product(_MARKS, _UNITS)
}
