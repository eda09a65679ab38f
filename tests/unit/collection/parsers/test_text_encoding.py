"""Decoding text files: what is refused, and linear time for valid and invalid text."""

from contextlib import suppress

import pytest

from functions.collection.parsers.text_encoding import decode_text
from headwater.errors import PermanentError
from tests.harness.adversarial.encodings import ENCODINGS
from tests.harness.growth import check_linear


@pytest.mark.parametrize("name", ENCODINGS)
def test_decoding_takes_linear_time(name: str) -> None:
    def decode(content: bytes) -> None:
        with suppress(PermanentError):
            decode_text(content)

    check_linear(decode, ENCODINGS[name])


PROSE = "Über die Pumpe: sie fördert neun Liter. " * 20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7 plain", "the file is a PDF document, not text"),
        (b"{\\rtf1 text}", "the file is an RTF document, not text"),
        (b"PK\x03\x04docx", "the file is a ZIP archive or an Office document, not text"),
        (PROSE.encode("utf-16-le"), "looks like UTF-16 without a byte order mark"),
        (PROSE.encode("utf-16-be"), "looks like UTF-16 without a byte order mark"),
        ("水泵每分钟输送九升水。".encode("utf-16-le") * 9, "is not valid UTF-8|binary file"),
        (PROSE.encode("utf-32-le"), "looks like UTF-16|binary file"),
        (("水泵每分钟输送九升水。" * 2).encode("gb18030"), "characters are unreadable; save it as UTF-8"),
        (b"\xff\xfe" + b"\x00\xd8" * 11, "is not valid UTF-16"),
        (b"text\0", "looks like a binary file: NUL byte at offset 4"),
    ],
)
def test_file_that_is_not_text_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        decode_text(content)


@pytest.mark.parametrize(
    "content",
    [PROSE.encode("latin-1"), PROSE.encode(), PROSE.encode("utf-16"), b"PK is a postcode", b"# %PDF-", b"GIF 89a", b""],
)
def test_text_is_decoded(content: bytes) -> None:
    text, warnings = decode_text(content)
    assert len(warnings) == (content == PROSE.encode("latin-1"))
    assert text == "" or text[-1] != "\ufffd"


def test_ascii_with_single_bytes_is_read_as_windows_1252() -> None:
    text, [warning] = decode_text("Größe;Preis\r\nüber alles;3 €".encode("cp1252"))
    assert text == "Größe;Preis\nüber alles;3 €"
    assert "Windows-1252" in warning
    mixed, [warning] = decode_text("Größe".encode() + b" \xfcber alles")
    assert mixed == "Größe \ufffdber alles"
    assert "replaced 1 place" in warning
