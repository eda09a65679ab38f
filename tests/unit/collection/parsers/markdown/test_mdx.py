"""MDX: what is not Markdown in it, and what CommonMark reads in another way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.parsers.parse import ParsedDocument
from tests.harness.parsing import parse

INDENTED = st.sampled_from([
    "text", "    text", "     text é", "\tü [a](b)", "- item", "    - item", "      - deeper", "1. first", "\t\t- a",
    "      ```js", "```", "    ```", "        code 🦠", "# One", "      ## Two", "    | a |\n    |---|", "", "", "",
])  # fmt: skip


def read(text: str, key: str = "a.mdx") -> ParsedDocument:
    return parse(key, text.encode(), "text/markdown")


def visible(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks]


def test_javascript_and_jsx_are_in_no_block() -> None:
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
"""
    )
    assert visible(parsed) == ["# Title", "Text **inside** {rows.a} stays.", "Last."]
    assert parsed.blocks[1].heading_path == ("Title",)


def test_code_is_not_jsx() -> None:
    code = '```js\nimport x from "y"\n<Tab a={1}>\n```'
    parsed = read(f"<Tab>\n{code}\n</Tab>\n\nSee `<Tab>` and `{{x}}` here.\n")
    assert visible(parsed) == [code, "See `<Tab>` and `{x}` here."]
    assert parsed.blocks[0].kind == "code"


def test_tag_with_sentences_in_its_attributes_is_a_block() -> None:
    table = '<Fields rows={[\n  { name: "id", text: "The number of the row, as a text." },\n]} />'
    parsed = read(f"# T\n\n{table}\n\nText\n")
    assert visible(parsed) == ["# T", table, "Text"]
    assert (parsed.blocks[1].kind, parsed.blocks[1].heading_path) == ("jsx", ("T",))


@pytest.mark.parametrize(
    "text", ["a < b and b > c", "Unclosed { brace", "An <unclosed tag\n\n# Next", "export of goods", "don't <br"]
)
def test_invalid_jsx_is_text(text: str) -> None:
    parsed = read(text)
    assert "".join(visible(parsed)) == text.replace("\n\n", "")


def test_indented_text_is_not_code_in_mdx() -> None:
    assert [block.kind for block in read("    four spaces").blocks] == ["text"]
    assert [block.kind for block in read("    four spaces", "a.md").blocks] == ["code"]
    assert [block.kind for block in parse("a", b"    four spaces", "text/mdx; charset=utf-8").blocks] == ["text"]


def test_indentation_inside_tags_leaves_structure_and_offsets_as_they_are() -> None:
    parsed = read(
        """<Tabs>
  <Tab label="é">
      - Install é

        ```sh
        npm install 🦠

            --save
        ```

      - Read [über](b.md)
          - Then [c](c.md)
  </Tab>

      ## Last
</Tabs>
"""
    )
    assert [block.kind for block in parsed.blocks] == ["list", "code", "list", "heading"]
    assert visible(parsed) == [
        "- Install é",
        "```sh\n        npm install 🦠\n\n            --save\n        ```",
        "- Read [über](b.md)\n          - Then [c](c.md)",
        "## Last",
    ]
    assert [parsed.text[link.start : link.end] for link in parsed.links] == ["[über](b.md)", "[c](c.md)"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("- <b>x</b> y", "list"), ("> <b>x</b> y", "quote"), ("<b>x</b> y", "text"), ("# <b>x</b> y", "heading")],
)
def test_tag_at_the_start_of_a_block_is_not_indentation(text: str, kind: str) -> None:
    assert [block.kind for block in read(text).blocks] == [kind]


def test_heading_of_mdx_has_its_text_without_tags() -> None:
    assert read("# A <b>b</b> {c} &lt; d < e <f").blocks[0].heading_path == ("A b < d < e <f",)


@given(st.lists(INDENTED, max_size=10))
def test_blocks_of_mdx_without_jsx_cover_all_text(lines: list[str]) -> None:
    parsed = read("\n".join(["", *lines]))
    covered = "".join(parsed.text[block.start : block.end] for block in parsed.blocks)
    assert "".join(covered.split()) == "".join(parsed.text.split())
    assert all(parsed.text[link.start : link.end] == "[a](b)" for link in parsed.links)
