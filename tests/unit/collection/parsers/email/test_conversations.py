"""Conversations: a section for each message, without what it quotes of those before."""

import pytest

from functions.collection.connectors.mail.compose import ComposedMessage, compose
from functions.collection.connectors.mail.messages import AttachedFile, TextPart
from functions.collection.parsers.email.parser import parse
from headwater.parsers import check_parsed

FIRST = "Which pump do we order for the north yard? The old one leaks.\n\n> an older mail that is lost\n"
PLAIN = TextPart("1", "text/plain", "utf-8", "8bit", 10)
HTML = TextPart("1", "text/html", "utf-8", "8bit", 10)


def sections(*texts: tuple[TextPart, str]) -> list[str]:
    """Return the texts of the messages of a conversation, without their headings."""
    messages = [
        ComposedMessage(
            b"From: =?utf-8?q?Ann_=C3=84sh?= <ann@x.y>\r\nDate: Mon, 6 May 2024 09:00:00 +0200\r\n\r\n",
            [(part, text.encode())],
            [],
            {},
        )
        for part, text in texts
    ]
    parsed = parse("2024/05/pump-1", compose("Pump ö 4", "2024/05/pump-1", messages), "multipart/digest")
    check_parsed(parsed)
    assert parsed.title == "Pump ö 4"
    return [one.strip() for one in parsed.text.split("## Ann Äsh, 2024-05-06 09:00")[1:]]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            "Yes.\n\nOn Mon, Ann wrote:\n> Which pump do we order for\n> the north yard? The old one leaks.\n",
            "Yes.",
        ),
        (
            "> Which pump do we order for the north yard?\n\nThe P-4.\n\n> The old one leaks.\n\nSo what.",
            "The P-4.\n\nSo what.",
        ),
        ("Yes.\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\nTo: Bob\nSubject: Pump\n\n" + FIRST, "Yes."),
        ("Ja.\n\nVon: Ann\nGesendet: Montag\nAn: Bob\nBetreff: Pumpe\n\n" + FIRST, "Ja."),
        (
            "See:\n\n> A quotation of a book that is not in the conversation.\n",
            "See:\n\n> A quotation of a book that is not in the conversation.",
        ),
        (
            "From: here\nTo: there\nSubject: all\n\nIt is another text, which was never said before.",
            "From: here\nTo: there\nSubject: all\n\nIt is another text, which was never said before.",
        ),
    ],
)
def test_quoted_history_is_cut(answer: str, expected: str) -> None:
    first, second = sections((PLAIN, FIRST), (PLAIN, answer))
    assert first == "Which pump do we order for the north yard? The old one leaks.\n\n> an older mail that is lost"
    assert second == expected


def test_quoted_history_of_pages_is_cut() -> None:
    first = "<h1>Pumps</h1><p>Which pump do we order for the north yard?</p><p>The old one leaks.</p>"
    quoted = f'<p>Yes.</p><div>On Mon, Ann wrote:</div><blockquote class="gmail_quote">{first}</blockquote>'
    outlook = f'<p>No.</p><div id="divRplyFwdMsg"><b>From:</b> Ann</div><div>{first}</div>'
    foreign = "<p>See</p><blockquote>A quotation of a book that is not in the conversation.</blockquote>"
    texts = sections((HTML, first), (HTML, quoted), (HTML, outlook), (HTML, foreign))
    assert texts[0].startswith("### Pumps\n\nWhich pump")
    assert texts[1:3] == ["Yes.", "No."]
    assert "A quotation of a book" in texts[3]


def test_attached_files_are_linked_or_named() -> None:
    files = [
        AttachedFile("2", "Größe 1.pdf", "application/pdf", "base64", 5),
        AttachedFile("3", "a.png", "image/png", "", 5),
    ]
    message = ComposedMessage(b"From: a@x.y\r\n\r\n", [(PLAIN, b"Hello")], files, {"2": "2024/05/pump-1/Größe 1.pdf"})
    parsed = parse("2024/05/pump-1", compose("Pump", "2024/05/pump-1", [message], ["it is cut"]), "multipart/digest")
    assert parsed.text.endswith(
        "- [Größe 1.pdf](pump-1/Gr%C3%B6%C3%9Fe%201.pdf) (application/pdf)\n- a.png (image/png)"
    )
    assert [link.target for link in parsed.links or ()] == ["pump-1/Gr%C3%B6%C3%9Fe%201.pdf"]
    assert parsed.warnings == ("it is cut",)


def test_hostile_messages_are_read_in_linear_time() -> None:
    nested = "<blockquote>" * 5_000 + "x" + "</blockquote>"
    headers = "From: a\nTo: b\nSubject: c\n\nword " * 5_000
    header = b"From: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\nbody"
    boundary = ComposedMessage(header, [(PLAIN, b"--x\r\n\r\n--x--")], [], {})
    assert len(sections((HTML, nested), (PLAIN, headers), (PLAIN, headers), (PLAIN, "> " * 100_000))) == 4
    assert "--x--" in parse("a", compose("", "a", [boundary]), "multipart/digest").text
