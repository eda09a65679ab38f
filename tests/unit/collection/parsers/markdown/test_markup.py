"""Markup: what readers of a page don't see is found, and what they see is kept."""

import pytest

from functions.collection.parsers.markdown.markup import without
from tests.harness.parsing import parse


def shown(text: str, key: str = "page.md") -> str:
    parsed = parse(key, text.encode(), "text/markdown")
    return " ".join(without(parsed.text, parsed.markup).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # MkDocs
        ('!!! warning "Mind the gap"\n\n    Stop the pump.', '"Mind the gap" Stop the pump.'),
        ("!!! note\n    Stop the pump.", "Stop the pump."),
        ('??? tip inline end ""\n\n    Stop the pump.', "Stop the pump."),
        ('=== "Linux"\n\n    Run it.\n\n    ```sh\n    ./run\n    ```', '"Linux" Run it. ```sh ./run ```'),
        ("Pump\n:   It moves water.\n\n    And air.", "Pump It moves water. And air."),
        ("- item\n\n    !!! note\n\n        Within it.", "- item Within it."),
        ('??? a "One"\n\n    ??? b "Two"\n\n        Deep.\n\n    Less deep.', '"One" "Two" Deep. Less deep.'),
        (":material-pump: It moves water.", "It moves water."),
        ("Press ++ctrl+c++ now.", "Press ctrl+c now."),
        ('::: pump.valve\n    options:\n      show: true\n\nText.', "Text."),
        ("*[HTML]: Hyper Text\n\nThe HTML.", "The HTML."),
        ('--8<-- "other.md"\n\n[TOC]\n\nText.', "Text."),
        ("A [button](a.md){ .md-button } and ![a](a.png){ width=300 }.", "A [button](a.md) and ![a](a.png)."),
        # Docusaurus and VitePress
        (":::note[Read this]\n\nText.\n\n:::", "Read this Text."),
        ("::: details Click me {open}\nText.\n:::", "Click me Text."),
        ("::: code-group\n\n```sh [npm]\nnpm i\n```\n\n:::", "```sh [npm] npm i ```"),
        ('Pump <Badge type="tip" text="new" /> it :tada: now.', "Pump it now."),
        ("<<< @/a.js{2}\n\n[[toc]]\n\n{{ page.title }} Text.", "Text."),
        ("<script setup>\nimport A from './a'\n</script>\n\nText.\n\n<style>\n.a { b: c }\n</style>", "Text."),
        # Hugo, Zola and Jekyll
        ('{{< note >}}\nText.\n{{< /note >}}\n\n{{% tip "a" %}}', "Text."),
        ('See [it]({{< ref "a.md" >}}) and [that]({% link b.md %}){:target="_blank"}.', "See it and that."),
        ("{% if a %}\nText.\n{% endif %}\n\n{% comment %} no # {% endcomment %}\n\n{# no #}", "Text."),
        ("Text.\n{: .note #id}\n\n* TOC\n{:toc}", "Text. * TOC"),
        ("[a][b] and [b].\n\n[b]: {{ site.url }}", "a and b."),
        ("{::comment}\nno\n{:/comment}\n\nText.", "Text."),
        # Obsidian
        ("Select ![[a.svg#i]] next to [[Lamp#Switch|it]] and [[Lamp]].", "Select next to it and Lamp."),
        ("A %%hidden%% word ^block-1\n\n%%\n# Old\n\nnot shown\n%%", "A word"),
        ("> [!warning]- Mind it\n> Text ==here== now.", "> Mind it > Text here now."),
        ("Text[^1] here.\n\n[^1]: The note.\n\n    Its second part.", "Text here. The note. Its second part."),
        # Logseq
        ("alias:: a, b\n\n- Text ((6566c9d8-0000-4000-8000-000000000001))\n  id:: 6566c9d8", "- Text"),
        ("- DONE [#A] Text #[[Page]]\n  :LOGBOOK:\n  CLOCK: [x]\n  :END:", "- DONE Text Page"),
        ("- {{embed [[Page]]}} {{query (and [[a]] b)}} Text [label]([[Page]])", "- Text label"),
        # HTML, comments, addresses
        ("<!-- no\n\n# Old -->\n\n<a id='x'></a>Text<br>and <b>more</b>", "Textand more"),
        ("[It](https://a.b/" + "x=+/" * 60 + ' "Now") and <https://c.d/' + "y" * 200 + "> end", "It and end"),
        ("[it](https://x.y/(b)" + "c" * 300 + ").", "it."),
        ("![A pump](data:image/png;base64," + "iVBOR/" * 60 + ")", "A pump"),
        ("[a lamp][]: the [other][o]: old.\n\n[a lamp]: s.md\n[o]: o.md 'Title'", "a lamp: the other: old."),
        ("[//]: # (A comment)\n\nText.", "Text."),
    ],
)  # fmt: skip
def test_markup_of_site_generators_is_hidden(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Some *emphasis*, a [link](a.md), ![image](a.png) and `code`.",
        "`{{< note >}}`, ``[[a]]``, `<!-- no -->` and `{% raw %}`",
        "```\n{{< note >}}\n%% a %%\n<!-- b -->\n[[ -f x ]]\n```",
        "    !!! note\n    {% code %}",
        "Use {{name}} and <name> in std::vector<bool>, at 10:30:00 a::b.",
        "a[1][2], 100%% sure, 50%% not; x == y == z; C++ and D++; {a, b}; ${.x}",
        "A sum $x_{i}$ \\{#a\\} #tag @user",
        "Note: this is text. : and this",
        "[Note]: this is no definition",
        "Heading\n===\n\ntext",
        "Use 5%% of it.\n\n%%time\nx = 1\n\nMore text here.\n\n%%bash\n\nEnd.",
        "The set {a: 1}, {#x} and f({.b}); print {:d} and {:>10} here",
        "!!! Attention please, this is text.",
        "press <Enter>, List<String> and <T> in it",
        "{{ unclosed and {% unclosed and <!-- unclosed and %% unclosed",
    ],
)
def test_what_readers_see_is_kept(text: str) -> None:
    assert shown(text) == " ".join(text.split())


def test_jsx_is_hidden_but_not_the_text_in_it() -> None:
    text = "import A from 'a'\n\n<Tabs>\n  <Tab label='x'>\n    Text {props.a} here.\n  </Tab>\n</Tabs>\n\n{/* no */}"
    assert shown(text, "page.mdx") == "Text here."


def test_comment_has_neither_headings_nor_links() -> None:
    parsed = parse("a.md", b"# A\n\n%%\n## Old\n\n[x](y.md) [[z]]\n%%\n\n## New\n\n[a](b.md)\n", "text/markdown")
    assert [block.heading_path for block in parsed.blocks if block.kind == "heading"] == [("A",), ("A", "New")]
    assert [link.target for link in parsed.links] == ["b.md"]


def test_links_in_admonitions_have_offsets_in_the_text() -> None:
    text = '=== "A"\n\n\tSee [ü](ü.md).\n\n    - [b](b.md)\n\n!!! note\n    [c](c.md)\n'
    parsed = parse("a.md", text.encode(), "text/markdown")
    assert [parsed.text[link.start : link.end] for link in parsed.links] == ["[ü](ü.md)", "[b](b.md)", "[c](c.md)"]
    assert "code" not in {block.kind for block in parsed.blocks}
