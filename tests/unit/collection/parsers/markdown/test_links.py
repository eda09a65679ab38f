"""Links of a page: what counts as one, and where it is written."""

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
    ],
)
def test_a_link_is_found_with_its_target(text: str, target: str) -> None:
    assert links(f"before {text} after") == [("link", target, text)]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[[Page]]", "Page"),
        ("[[Page|Label]]", "Page"),
        ("[[folder/Page#Heading|Label]]", "folder/Page#Heading"),
        ("[[#Here]]", "#Here"),
    ],
)
def test_a_wikilink_is_found_without_its_label(text: str, target: str) -> None:
    assert links(f"before {text} after") == [("wikilink", target, text)]


def test_a_wikilinks_label_in_a_table_may_have_an_escaped_bar() -> None:
    assert links("| a |\n| - |\n| [[Page\\|Label]] |") == [("wikilink", "Page", "[[Page\\|Label]]")]


def test_links_by_reference_lead_where_the_first_definition_says() -> None:
    text = "[a][One] and [b][] and [c] but not [d]\n\n[one]: 1.md 'T'\n[ONE]: 2.md\n[B]: <3 b.md>\n> [c]: 4.md\n"
    assert links(text) == [("link", "1.md", "[a][One]"), ("link", "3 b.md", "[b][]"), ("link", "4.md", "[c]")]


@pytest.mark.parametrize(
    "text",
    [
        "![image](i.png)",
        "![[embedded]]",
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
def test_what_is_no_link_is_not_found(text: str) -> None:
    assert links(text) == []


def test_a_link_within_brackets_counts() -> None:
    assert links("[see [a](b) and [[c]]]") == [("link", "b", "[a](b)"), ("wikilink", "c", "[[c]]")]


def test_brackets_around_a_linked_number_are_no_wikilink() -> None:
    assert links("[[1]](a.md)") == [("link", "a.md", "[[1]](a.md)")]


@pytest.mark.parametrize("text", ["- a ` b\n- [c](d) ` e", "| a ` |\n| - |\n| [c](d) ` |", "a ` b\n\n[c](d) ` e"])
def test_a_lone_backtick_reaches_no_further_than_its_paragraph(text: str) -> None:
    assert [target for _, target, _ in links(text)] == ["d"]
