"""E-mail as Markdown: headers, alternatives, quotes, attachments, mailboxes, odd messages."""

import pytest

from functions.collection.parsers.email.parser import parse
from headwater.errors import PermanentError
from headwater.parsers import check_parsed

HEAD = b"From: Ann <a@x.y>\nTo: b@x.y\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n"
ALTERNATIVES = (
    HEAD + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
    b'Content-Type: multipart/alternative; boundary="c"\n\n--c\nContent-Type: text/plain; charset=iso-8859-1\n'
    b"Content-Transfer-Encoding: quoted-printable\n\nGr=F6=DFe 1 * 2\n\n> quoted\n> more\n--c\n"
    b"Content-Type: text/html\n\n<p>never</p>\n--c--\n--b\nContent-Type: application/pdf\n"
    b'Content-Disposition: attachment; filename="plan.pdf"\n\nJVBERi0=\n--b--\n'
)


def text_of(content: bytes, name: str = "a.eml") -> str:
    parsed = parse(name, content, "")
    check_parsed(parsed)
    return parsed.text


def test_message_has_its_subject_text_quotes_and_attachments() -> None:
    parsed = parse("a.eml", ALTERNATIVES, "")
    check_parsed(parsed)
    assert parsed.text == ("# Größe\n\nGröße 1 \\* 2\n\n> quoted more\n\nAttachments:\n\n- plan.pdf (application/pdf)")
    assert parsed.title == "Größe"
    assert parsed.front_matter == {"author": "Ann <a@x.y>", "to": "b@x.y", "date": "Mon, 01 Jan 2024 10:00:00 +0000"}


def test_forwarded_messages_are_sections_and_patches_are_messages() -> None:
    forwarded = b"Content-Type: message/rfc822\n\nFrom: q@x.y\nSubject: Inner\n\nInner text.\n"
    content = (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nOuter text.\n--b\n' + forwarded + b"--b--\n"
    )
    assert text_of(content) == "# Größe\n\nOuter text.\n\n## Inner\n\nFrom: q@x.y\n\nInner text."
    assert text_of(HEAD + forwarded) == "# Größe\n\n## Inner\n\nFrom: q@x.y\n\nInner text."
    assert text_of(b"From 159dfe28 Mon Sep 17 00:00:00 2001\n" + HEAD + b"\nA patch.") == "# Größe\n\nA patch."


def test_parts_and_forwarded_messages_beyond_the_limits_are_named_in_warnings() -> None:
    parts = HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\na\n" * 501 + b"--b--\n"
    assert parse("a.eml", parts, "").warnings == ("only the first 500 parts of a message were read",)
    nested = HEAD + b"Content-Type: message/rfc822\n\nSubject: a\n" * 5 + b"\nDeep.\n"
    assert parse("a.eml", nested, "").warnings == ("messages forwarded in more than 3 others were not read",)


@pytest.mark.parametrize(
    ("fields", "item"),
    [
        (b"X-Headwater-Attachment: 2; pump/pl%20an.pdf", "[plan.pdf](pump/pl%20an.pdf)"),
        (b"X-Headwater-Attachment: 2; a/b.pdf\nX-Headwater-Attachment: 2; other.pdf", "[plan.pdf](a/b.pdf)"),
        (b"X-Headwater-Attachment: 0; pump/plan.pdf", "plan.pdf"),
        (b"X-Headwater-Attachment: 2; https://x.y/plan.pdf", "plan.pdf"),
        (b"X-Headwater-Attachment: 2; /etc/plan.pdf", "plan.pdf"),
        (b"X-Headwater-Attachment: 9999999999; a", "plan.pdf"),
    ],
)
def test_stored_attachment_is_linked_by_its_part(fields: bytes, item: str) -> None:
    assert text_of(fields + b"\n" + ALTERNATIVES).endswith(f"- {item} (application/pdf)")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"Content-Type: text/html\n\n<h2>Part</h2><p>a<br>b</p><script>x</script>", "## Part\n\na\nb"),
        (b"Content-Type: text/plain; charset=unknown-8bit\n\nna\xefve", "naïve"),
        (b"Content-Type: text/plain; charset=kz1048\n\n\xc0", "А"),  # noqa: RUF001
        (b"Content-Type: text/plain; charset=punycode\n\nza-b", "za-b"),  # would take quadratic time
        (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nYQ=", "a"),
        (b"Content-Type: multipart/mixed\n\nno boundary", "no boundary"),
        (b"\n", ""),
    ],
)
def test_odd_bodies_are_read(body: bytes, expected: str) -> None:
    assert text_of(HEAD + body) == f"# Größe\n\n{expected}".strip()


def test_mailbox_has_a_section_for_each_message() -> None:
    box = b"".join(b"From a@x.y Mon Jan  1 10:00:00 2024\n" + HEAD + b"\nText %d\n>From here\n\n" % n for n in (1, 2))
    text = text_of(box, "a.mbox")
    assert text.count("# Größe\n\nFrom: Ann \\<a@x.y>\nTo: b@x.y\n") == 2
    assert "Text 2\nFrom here" in text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an e-mail"),
        (b"\0\1", "not an e-mail"),
        (b"Subject: x\n" + b"Content-Type: message/rfc822\n\n" * 5_000, "its messages are nested too deeply"),
        (b"Subject: x\n" + b"A: b\n" * 20_000, "more than 64,000 bytes"),
    ],
)
def test_file_that_cannot_be_read_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.eml", content, "")


def test_long_headers_and_nested_comments_are_text() -> None:
    recipients = ", ".join(f"person{number}@x.y" for number in range(500))
    content = f"From: {'(' * 1_500}\nTo: {recipients}\nSubject: Pump\nContent-Type: {'(' * 1_500}\n\nText\n"
    parsed = parse("a.eml", content.encode(), "")
    assert parsed.text == "# Pump\n\nText"
    assert parsed.front_matter == {"author": "(" * 1_500, "to": recipients}
