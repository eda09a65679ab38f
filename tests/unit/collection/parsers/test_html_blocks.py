"""HTML as Markdown: headings, nested lists, tables with spans, code with its language, links, quotes."""

import pytest
from lxml import html

from functions.collection.parsers.html_blocks import write_html
from functions.collection.parsers.writer import MarkdownWriter
from headwater.parsers import check_parsed


def markdown(source: str) -> str:
    writer = MarkdownWriter()
    write_html(html.document_fromstring(source), writer)
    parsed = writer.finish()
    check_parsed(parsed)
    return parsed.text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<h2>A <em>b</em>\n<a href=#x>#</a></h2><p>c<br>d</p>", "## A b #\n\nc\nd"),
        ("<div>loose <b>text</b><p>one</p>after</div>", "loose text\n\none\n\nafter"),
        ("<p>see <a href='https://a.b/c'>the\n page</a>.</p>", "see [the page](https://a.b/c)."),
        ("<p>run <code>a  *b</code> now</p>", "run `a *b` now"),
        (
            "<pre><code class='language-py'>def f():\n    return '&lt;'\n</code></pre>",
            "```py\ndef f():\n    return '<'\n```",
        ),
        ("<ul><li>a<ul><li>b<p>c</p></ul><li><p>d</p><pre>e</pre></ul>", "- a\n    - b\n      c\n- d\n\n```\ne\n```"),
        ("<p>so <math><mi>x</mi><mo>&gt;</mo><mn>2</mn></math> holds</p>", "so x>2 holds"),
        (
            "<p>so <math><mi>x</mi><annotation encoding='application/x-tex'>x_1</annotation></math></p>",
            "so `x_1`",
        ),
        (
            "<p class=MsoListParagraph style='mso-list:l0 level1'>1.<span>&nbsp; </span>one</p>"
            "<p class=MsoListParagraph style='mso-list:l0 level2'><span>o</span>&nbsp; two</p>"
            "<p class=MsoListParagraph>A continued text</p>",
            "1. one\n    - two\n\nA continued text",
        ),
        ("<ol start=3><li>a<li>b</ol>", "3. a\n4. b"),
        (
            "<table><tr><th>A<th>B<tr><td rowspan=2>1<td>2|<tr><td>3</table>",
            "| A | B |\n| --- | --- |\n| 1 | 2\\| |\n|  | 3 |",
        ),
        ("<table><tr><td>only <p>a</p> layout</table>", "only\n\na\n\nlayout"),
        ("<blockquote><p>a<p>b</blockquote>c", "> a\n\n> b\n\nc"),
        ("<a href='/x'><div><h3>Card</h3><p>text</div></a>", "### Card\n\ntext"),
        ("<p>a<script>b</script><!-- c --><style>d</style>e", "ae"),
        ("<p>1 * 2 _x_ &lt;b&gt;", "1 \\* 2 \\_x\\_ \\<b>"),
        ("<div>" * 200 + "deep" + "</div>" * 200, "deep"),
        ("<b>" * 200 + "deep", "deep"),
    ],
)
def test_html_becomes_markdown(source: str, expected: str) -> None:
    assert markdown(source) == expected
