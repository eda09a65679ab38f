"""Parsing files: encodings, titles, warnings and links."""

import pytest

from functions.collection.parsers.parse import ParsedDocument
from headwater.errors import PermanentError
from tests.harness.corpus import FILES, QUESTIONS
from tests.harness.parsing import parse


def read(text: str, key: str = "page.md") -> ParsedDocument:
    return parse(key, text.encode(), "text/markdown")


def visible(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks]


def test_text_is_the_body_with_unix_line_breaks() -> None:
    parsed = parse("a.md", b"---\r\ntitle: T\r\n---\r\n# H\r\n\rText\r\n", "text/markdown")
    assert (parsed.text, parsed.title, parsed.front_matter) == ("# H\n\nText\n", "T", {"title": "T"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_mark_selects_the_encoding(encoding: str) -> None:
    parsed = parse("a.md", "Zoë 日本語 🦠".encode(encoding), "text/markdown")
    assert (parsed.text, parsed.warnings) == ("Zoë 日本語 🦠", ())


def test_parser_decodes_big_endian_utf16() -> None:
    assert parse("a.md", b"\xfe\xff\x00H\x00i", "text/markdown").text == "Hi"


def test_invalid_utf8_is_replaced_and_counted() -> None:
    parsed = parse("a.md", "fine \ufffd\ncaf".encode() + b"\xe9 and \xff", "text/markdown")
    assert parsed.text == "fine \ufffd\ncaf\ufffd and \ufffd"
    assert parsed.warnings == ("not valid UTF-8: replaced 2 places, first at byte 12 (line 2)",)


def test_lone_surrogate_in_utf16_is_replaced() -> None:
    parsed = parse("a.md", b"\xff\xfea\x00\x00\xd8b\x00", "text/markdown")
    assert "\ufffd" in parsed.text
    assert parsed.warnings == ("not valid UTF-16: replaced unreadable characters, first at character 1",)
    parsed.text.encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"some text ok\x00", "NUL byte at offset 12"),
        ("a\0".encode("utf-16"), "NUL byte at character 1"),
        (b"\x89NPY\r\n\x1a\n\x01\x02\x03\x04\x05", "control characters"),
    ],
)
def test_binary_file_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=f"looks like a binary file: .*{reason}"):
        parse("a.md", content, "text/markdown")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"---\ntitle: Only this\n---\n"])
def test_empty_page_has_a_warning(content: bytes) -> None:
    parsed = parse("a.md", content, "text/markdown")
    assert (parsed.blocks, parsed.warnings) == ((), ("empty file: nothing to search",))


def test_long_title_is_cut_after_a_word() -> None:
    title = read("# " + "words and " * 29).title
    assert title.endswith(("words…", "and…"))
    assert len(title.encode()) <= 160
    assert len(read("---\ntitle: " + "한" * 200 + "\n---").title.encode()) <= 160


def test_warning_about_front_matter_is_kept() -> None:
    assert read("---\na: [\n---\nText").warnings[0].startswith("front matter ignored: ")


def test_links_are_in_order_with_offsets_in_the_text() -> None:
    parsed = read("---\ntitle: T\n---\n# [H](h.md)\n\n| [c](c.md) |\n| --- |\n\n- [i](i.md)\n\n```\n[no](no.md)\n```\n")
    assert [parsed.text[link.start : link.end] for link in parsed.links] == ["[H](h.md)", "[c](c.md)", "[i](i.md)"]


@pytest.mark.parametrize("key", FILES)
def test_sample_pages_have_no_warnings(key: str) -> None:
    parsed = parse(key, FILES[key], "text/markdown")
    assert parsed.warnings == ()
    assert parsed.blocks


def test_sample_pages_contain_the_answers() -> None:
    for question in QUESTIONS:
        for key in question.keys:
            words = " ".join(parse(key, FILES[key], "text/markdown").text.split())
            assert question.answer.casefold() in words.casefold(), (question, key)
