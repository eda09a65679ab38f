"""Links in Markdown: which markup is a link, its target and its range."""

import pytest

from tests.harness.parsing import parse


def links(text: str) -> list[tuple[str, str, str]]:
    parsed = parse("page.md", text.encode(), "text/markdown")
    return [(link.kind, link.target, parsed.text[link.start : link.end]) for link in parsed.links]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[a](b.md)", "b.md"),
        ('[a](b.md "A title (really)")', "b.md"),
        ("[a](b.md\n  'title')", "b.md"),
        ("[a](<b c.md>)", "b c.md"),
        ("[a](b_(c)_(d(e)).md#f)", "b_(c)_(d(e)).md#f"),
        ("[a]( b\\).md )", "b).md"),
        ("[a](b?x=1&amp;y=2)", "b?x=1&y=2"),
        ("[a `]` b [c] \\] d](e)", "e"),
        ("[![image](i.png)](b.md)", "b.md"),
        ("[two\nlines](b.md)", "b.md"),
        ("<https://a.example/b_c?d>", "https://a.example/b_c?d"),
        ("<mailto:a@b.example>", "mailto:a@b.example"),
        ("<a@b.example>", "mailto:a@b.example"),
        ("[日本 🦠](é.md#ü)", "é.md#ü"),
        ("[^top](#top)", "#top"),
    ],
)
def test_link_has_its_target_and_range(text: str, target: str) -> None:
    assert links(f"before {text} after") == [("link", target, text)]


@pytest.mark.parametrize(
    "target",
    [
        '{{< ref "a b.md#c" >}}',
        "{{% relref `/a.md` %}}",
        "{% link _posts/2024-01-02-a.md %}#b",
        "{{ site.baseurl }}{% post_url 2024-01-02-a %}",
        "{{ '/a/' | relative_url }}",
    ],
)
def test_target_may_be_made_by_a_template(target: str) -> None:
    assert links(f"See [a]({target}) and [b][c].\n\n[c]: {target}\n") == [
        ("link", target, f"[a]({target})"),
        ("link", target, "[b][c]"),
    ]


@pytest.mark.parametrize("target", ["Page", "a/Page.md", "Page#Heading", "Page#^block", "v1.2 notes"])
def test_embedded_note_is_a_wikilink(target: str) -> None:
    assert links(f"# ![[{target}]]\n\na ![[{target}|label]] b") == [
        ("wikilink", target, f"![[{target}]]"),
        ("wikilink", target, f"![[{target}|label]]"),
    ]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[[Page]]", "Page"),
        ("[[Page|Label]]", "Page"),
        ("[[folder/Page#Heading|Label]]", "folder/Page#Heading"),
        ("[[#Here]]", "#Here"),
    ],
)
def test_wikilink_has_its_target_without_the_label(text: str, target: str) -> None:
    assert links(f"before {text} after") == [("wikilink", target, text)]


def test_wikilink_in_a_table_may_escape_the_bar() -> None:
    assert links("| a |\n| - |\n| [[Page\\|Label]] |") == [("wikilink", "Page", "[[Page\\|Label]]")]


def test_reference_link_uses_the_first_definition() -> None:
    text = "[a][One] and [b][] and [c] but not [d]\n\n[one]: 1.md 'T'\n[ONE]: 2.md\n[B]: <3 b.md>\n> [c]: 4.md\n"
    assert links(text) == [("link", "1.md", "[a][One]"), ("link", "3 b.md", "[b][]"), ("link", "4.md", "[c]")]


@pytest.mark.parametrize(
    "text",
    [
        "![image](i.png)",
        "![image [a](b)](i.png)",
        "![[image.png]] ![[a/Plan.PDF#page=3]] ![[ sketch.svg |100]]",
        "![image ![[embedded]]](i.png)",
        "[a]({{ x y) }}",
        "`[a](b)`",
        "`` ` [a](b) ``",
        "```\n[a](b) [[c]] <http://d>\n```",
        "    [a](b)",
        "\\[a](b)",
        "[a] (b)",
        "[a](b c)",
        "[a]()",
        "[[]] [[ ]] []()",
        "[a][b]",
        "<b> <std::vector> <not a://link>",
        "[^1]\n\n[^1]: http://a.example",
        "<!-- [a](b) -->",
    ],
)
def test_other_markup_is_not_a_link(text: str) -> None:
    assert links(text) == []


def test_links_in_brackets_are_found() -> None:
    assert links("[see [a](b) and [[c]]]") == [("link", "b", "[a](b)"), ("wikilink", "c", "[[c]]")]


def test_link_with_brackets_in_its_text_is_not_a_wikilink() -> None:
    assert links("[[1]](a.md) [[2]]") == [("link", "a.md", "[[1]](a.md)"), ("wikilink", "2", "[[2]]")]


def test_collapsed_reference_before_a_colon_is_a_link() -> None:
    assert links("[a][]: text\n\n[a]: b.md") == [("link", "b.md", "[a][]")]


def test_link_in_a_heading_is_found() -> None:
    assert links("# [a](b.md) ![c [d](e)](f)") == [("link", "b.md", "[a](b.md)")]


def test_code_in_a_table_ends_at_a_bar() -> None:
    """As on GitHub; only `\\|` does not separate cells."""
    text = "| a |\n| - |\n| [`b|c`](d) |\n| [`e\\|f`](g) |"
    assert links(text) == [("link", "g", "[`e\\|f`](g)")]


@pytest.mark.parametrize("text", ["- a ` b\n- [c](d) ` e", "| a ` |\n| - |\n| [c](d) ` |", "a ` b\n\n[c](d) ` e"])
def test_unclosed_backtick_ends_with_its_paragraph(text: str) -> None:
    assert [target for _, target, _ in links(text)] == ["d"]
