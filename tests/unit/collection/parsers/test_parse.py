"""Files to pages: bytes, titles, and what MDX adds."""

import pytest

from functions.collection.parsers.parse import ParsedDocument
from headwater.errors import PermanentError
from tests.harness.corpus import FILES, QUESTIONS
from tests.harness.parsing import parse


def read(text: str, key: str = "page.md") -> ParsedDocument:
    return parse(key, text.encode(), "text/markdown")


def visible(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks]


def test_a_page_is_its_body_with_unix_line_breaks() -> None:
    parsed = parse("a.md", b"---\r\ntitle: T\r\n---\r\n# H\r\n\rText\r\n", "text/markdown")
    assert (parsed.text, parsed.title, parsed.front_matter) == ("# H\n\nText\n", "T", {"title": "T"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding_and_is_no_text(encoding: str) -> None:
    parsed = parse("a.md", "Zoë 日本語 🦠".encode(encoding), "text/markdown")
    assert (parsed.text, parsed.warnings) == ("Zoë 日本語 🦠", ())


def test_big_endian_utf16_is_read_too() -> None:
    assert parse("a.md", b"\xfe\xff\x00H\x00i", "text/markdown").text == "Hi"


def test_bytes_that_are_not_utf8_are_replaced_and_counted() -> None:
    parsed = parse("a.md", "fine \ufffd\ncaf".encode() + b"\xe9 and \xff", "text/markdown")
    assert parsed.text == "fine \ufffd\ncaf\ufffd and \ufffd"
    assert parsed.warnings == ("not valid UTF-8: replaced 2 places, first at byte 12 (line 2)",)


def test_half_a_surrogate_in_utf16_is_replaced() -> None:
    parsed = parse("a.md", b"\xff\xfea\x00\x00\xd8b\x00", "text/markdown")
    assert "\ufffd" in parsed.text
    assert parsed.warnings == ("not valid UTF-16: replaced unreadable characters, first at character 1",)
    parsed.text.encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"some text ok\x00", "NUL byte at offset 12"),
        ("a\0".encode("utf-16"), "NUL byte at character 1"),
        (b"\x89PNG\r\n\x1a\n\x01\x02\x03\x04\x05", "control characters"),
    ],
)
def test_what_is_binary_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=f"looks like a binary file: .*{reason}"):
        parse("a.md", content, "text/markdown")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"---\ntitle: Only this\n---\n"])
def test_an_empty_page_says_so(content: bytes) -> None:
    parsed = parse("a.md", content, "text/markdown")
    assert (parsed.blocks, parsed.warnings) == ((), ("empty file: nothing to search",))


@pytest.mark.parametrize(
    ("key", "text", "title"),
    [
        ("a.md", "---\ntitle: '  From the\n  front '\n---\n# Heading", "From the front"),
        ("a.md", "---\ntitle: 2024\n---\n", "2024"),
        ("a.md", "---\ntitle: [no]\n---\n## The `first` *heading*\n# Second", "The first heading"),
        ("a.md", "#\n\n# Second", "Second"),
        ("guides/getting-started_now.md", "Text", "Getting started now"),
        ("guides/set-up/README.md", "Text", "Set up"),
        ("README.md", "Text", "README"),
        ("日本語.md", "Text", "日本語"),
    ],
)
def test_the_title_is_the_front_matters_else_the_first_heading_else_the_files_name(
    key: str, text: str, title: str
) -> None:
    assert read(text, key).title == title


def test_a_long_title_is_cut_after_a_word() -> None:
    title = read("# " + "words and " * 29).title
    assert title.endswith(("words…", "and…"))
    assert len(title.encode()) <= 160
    assert len(read("---\ntitle: " + "한" * 200 + "\n---").title.encode()) <= 160


def test_the_warnings_of_the_front_matter_are_the_pages() -> None:
    assert read("---\na: [\n---\nText").warnings[0].startswith("front matter ignored: ")


def test_imports_exports_tags_and_expressions_of_mdx_are_in_no_block() -> None:
    parsed = read(
        """import { Tabs } from "@site/tabs"
export const rows = {

  a: 1,
}

# Title {/* a comment */}

<Tabs items={["a", "b"]} on={() => <b>x</b>}>
  <Tab title="One">

    Text **inside** {rows.a} stays.

  </Tab>
</Tabs>

<Card
  href="/x"
/>

Last.
""",
        "a.mdx",
    )
    assert visible(parsed) == ["# Title", "Text **inside** {rows.a} stays.", "Last."]
    assert parsed.blocks[1].heading_path == ("Title",)


def test_code_in_mdx_stays_as_it_is() -> None:
    code = '```js\nimport x from "y"\n<Tab a={1}>\n```'
    parsed = read(f"<Tab>\n{code}\n</Tab>\n\nSee `<Tab>` and `{{x}}` here.\n", "a.mdx")
    assert visible(parsed) == [code, "See `<Tab>` and `{x}` here."]
    assert parsed.blocks[0].kind == "code"


def test_attributes_that_hold_sentences_are_a_block_of_their_own() -> None:
    table = '<Fields rows={[\n  { name: "id", text: "The number of the row, as a text." },\n]} />'
    parsed = read(f"# T\n\n{table}\n\nText\n", "a.mdx")
    assert visible(parsed) == ["# T", table, "Text"]
    assert (parsed.blocks[1].kind, parsed.blocks[1].heading_path) == ("jsx", ("T",))


@pytest.mark.parametrize(
    "text", ["a < b and b > c", "Unclosed { brace", "An <unclosed tag\n\n# Next", "export of goods", "don't <br"]
)
def test_what_only_looks_like_jsx_is_text(text: str) -> None:
    parsed = read(text, "a.mdx")
    assert "".join(visible(parsed)) == text.replace("\n\n", "")


def test_indented_text_is_no_code_in_mdx() -> None:
    assert [block.kind for block in read("    four spaces", "a.mdx").blocks] == ["text"]
    assert [block.kind for block in read("    four spaces").blocks] == ["code"]
    assert [block.kind for block in parse("a", b"    four spaces", "text/mdx; charset=utf-8").blocks] == ["text"]


def test_links_are_in_order_and_their_offsets_are_in_the_text() -> None:
    parsed = read("---\ntitle: T\n---\n# [H](h.md)\n\n| [c](c.md) |\n| --- |\n\n- [i](i.md)\n\n```\n[no](no.md)\n```\n")
    assert [parsed.text[link.start : link.end] for link in parsed.links] == ["[H](h.md)", "[c](c.md)", "[i](i.md)"]


@pytest.mark.parametrize("key", FILES)
def test_our_own_pages_are_read_without_a_warning(key: str) -> None:
    parsed = parse(key, FILES[key], "text/markdown")
    assert parsed.warnings == ()
    assert parsed.blocks


def test_our_own_pages_answer_the_questions_asked_of_them() -> None:
    for question in QUESTIONS:
        for key in question.keys:
            words = " ".join(parse(key, FILES[key], "text/markdown").text.split())
            assert question.answer.casefold() in words.casefold(), (question, key)
