"""Texts and files of messages, as servers describe them."""

from typing import Any

from imapclient.response_types import BodyData

from functions.collection.connectors.mail.messages import AttachedFile, TextPart
from functions.collection.connectors.mail.structure import MAX_PARTS, read_parts

PLAIN = (b"TEXT", b"PLAIN", (b"CHARSET", b"utf-8"), None, None, b"7BIT", 400, 9, None, None, None, None)
HTML = (b"TEXT", b"HTML", (b"CHARSET", b"utf-8"), None, None, b"QUOTED-PRINTABLE", 9000, 9, None, None, None, None)
LOGO = (b"IMAGE", b"PNG", (b"NAME", b"logo.png"), b"<1>", None, b"BASE64", 50, None, (b"INLINE", None), None)


def pdf(*fields: bytes) -> tuple[Any, ...]:
    return (b"APPLICATION", b"PDF", None, None, None, b"BASE64", 1000, None, (b"ATTACHMENT", fields), None)


def read(*body: Any) -> Any:
    return read_parts(BodyData.create(body))


def test_plain_text_of_alternatives_is_chosen_and_files_are_found() -> None:
    alternatives = (PLAIN, (HTML, LOGO, b"RELATED"), b"ALTERNATIVE")
    texts, files = read(alternatives, pdf(b"FILENAME", b"C:\\a\\plan.pdf"), LOGO, b"MIXED", (b"BOUNDARY", b"x"), None)
    assert texts == (TextPart("1.1", "text/plain", "utf-8", "7bit", 400),)
    assert files == (AttachedFile("2", "plan.pdf", "application/pdf", "base64", 1000),)


def test_html_is_chosen_if_the_plain_text_is_a_stub() -> None:
    stub = (*PLAIN[:6], 60, *PLAIN[7:])
    assert [text.section for text in read(stub, HTML, b"ALTERNATIVE").texts] == ["2"]
    assert [text.section for text in read(HTML, b"ALTERNATIVE").texts] == ["1"]
    assert [text.section for text in read(*HTML).texts] == ["1"]


def test_names_of_files_are_decoded() -> None:
    split = (b"FILENAME*0*", b"utf-8''Gr%C3%B6", b"FILENAME*1*", b"%C3%9Fe.pdf")
    encoded = (b"FILENAME", b"=?utf-8?q?Gr=C3=B6=C3=9Fe=2Epdf?=")
    names = [
        file.name for file in read(pdf(*split), pdf(*encoded), pdf(b"FILENAME", b"../..\x07"), pdf(), b"MIXED").files
    ]
    assert names == ["Größe.pdf", "Größe.pdf", "attachment.pdf", "attachment.pdf"]


def test_forwarded_message_is_a_file() -> None:
    envelope = (None,) * 10
    forwarded = (
        b"MESSAGE",
        b"RFC822",
        None,
        None,
        None,
        b"7BIT",
        500,
        envelope,
        PLAIN,
        20,
        None,
        (b"INLINE", None),
        None,
    )
    texts, files = read(PLAIN, forwarded, b"MIXED")
    assert [text.section for text in texts] == ["1"]
    assert files == (AttachedFile("2", "attachment.eml", "message/rfc822", "7bit", 500),)


def test_odd_structures_have_no_parts() -> None:
    for body in ((), (b"TEXT",), (None, None), (b"TEXT", b"PLAIN", b"x", 1, 2, 3, b"many")):
        read_parts(BodyData.create(body) if body else None)
    assert len(read(*([PLAIN] * 1_000), b"MIXED").texts) == MAX_PARTS - 1
