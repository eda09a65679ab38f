"""HTML pages as Markdown: main text, structure, metadata, encodings, and pages that can't be read."""

import pytest

from functions.collection.parsers.html.parser import parse
from headwater.errors import PermanentError
from tests.harness.growth import check_linear

PROSE = "The pump delivers nine litres of water a minute, and it does so with hardly any noise. "
PAGE = f"""<!doctype html><html lang="en"><head><title>Install the pump | Acme</title>
<link rel="canonical" href="/docs/install/"><meta name="description" content="How to install it.">
<meta property="article:published_time" content="2024-03-01T10:00:00Z"></head><body>
<header><a href="/">Acme</a></header><nav><ul><li><a href="/a">Products</a><li><a href="/b">Careers</a></ul></nav>
<div class="content"><h1>Install the pump<a class="headerlink" href="#install">¶</a></h1>
<p>{PROSE * 3}See the <a href="../safety/?a=1#rules">safety <b>rules</b></a>, and use <code>pump --on</code>.</p>
<h2>Steps</h2>
<ol start="3"><li>Open the valve.<ul><li>Slowly<li>With care</ul><li>Run:<pre class="language-python">if x &lt; 3:
    go()</pre></ol>
<blockquote><p>{PROSE}</p><p>Never run it dry.</p></blockquote>
<table><caption>Sizes of all models</caption><tr><th>Model<th>Size<th>Weight<tr><td rowspan=2>A|1<td>3 cm<td>1 kg
<tr><td colspan=2>unknown</table>
<table class="highlighttable"><tr><td class="linenos"><pre>1
2</pre><td class="code"><div class="highlight-bash"><pre><span>ls</span> -l
cat *_x_*</pre></div></table>
<p>2. is not the number of a list, and *stars* and snake_case stay.</p>
<div style="display: none">Not shown to readers</div><script>alert(1)</script></div>
<footer>Imprint and privacy</footer><noscript>Enable JavaScript</noscript></body></html>"""

MARKDOWN = f"""\
# Install the pump

{PROSE * 3}See the [safety rules](../safety/?a=1#rules), and use `pump --on`.

## Steps

3. Open the valve.
    - Slowly
    - With care
4. Run:

```python
if x < 3:
    go()
```

> {PROSE.strip()}

> Never run it dry.

Sizes of all models

| Model | Size | Weight |
| --- | --- | --- |
| A\\|1 | 3 cm | 1 kg |
|  | unknown |  |

```bash
ls -l
cat *_x_*
```

2\\. is not the number of a list, and \\*stars\\* and snake_case stay."""


@pytest.mark.parametrize("tag", ["div", "main", "article"])
def test_page_is_converted_with_its_structure_and_without_its_frame(tag: str) -> None:
    page = PAGE.replace('<div class="content">', f'<{tag} class="content">').replace(
        "</div>\n<footer", f"</{tag}>\n<footer"
    )
    parsed = parse("install.html", page.encode(), "text/html")
    assert parsed.text == MARKDOWN
    assert parsed.title == "Install the pump"
    assert parsed.front_matter == {
        "description": "How to install it.",
        "date": "2024-03-01T10:00:00Z",
        "lang": "en",
        "canonical": "/docs/install/",
    }


def test_links_of_a_page_with_a_base_lead_from_the_root_of_its_site() -> None:
    links = '<a href="../use">a</a> <a href="//b.example/c">b</a>'
    page = f'<base href="https://acme.example/docs/install/"><main><p>{PROSE}{links}'
    assert "[a](/docs/use) [b](https://b.example/c)" in parse("a.html", page.encode(), "text/html").text


UMLAUTS = f"<html><head>%s</head><body><main><p>Über die Größe. {PROSE}</p></main></body></html>"


@pytest.mark.parametrize(
    ("declaration", "encoding", "media_type"),
    [
        ("", "utf-8", "text/html"),
        ("", "utf-8-sig", "text/html; charset=iso-8859-1"),
        ("", "utf-16", "text/html"),
        ('<meta charset="iso-8859-1">', "utf-8", "text/html; charset=latin1"),
        ('<meta charset="utf-8">', "cp1252", "text/html"),
        ("", "cp1252", "text/html"),
        ("", "cp1252", "text/html; charset=nonsense"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">', "cp1252", "text/html"),
        ('<meta charset="utf-16">', "utf-8", "text/html"),
        ("", "cp850", "text/html; charset=IBM850"),
        ('<meta charset="unicode_escape">', "utf-8", "text/html"),
    ],
)
def test_page_is_decoded_as_it_is_encoded(declaration: str, encoding: str, media_type: str) -> None:
    parsed = parse("a.html", (UMLAUTS % declaration).encode(encoding), media_type)
    assert parsed.text.startswith("Über die Größe. ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'<body><noscript>You need JavaScript.</noscript><div id="root"></div><script src="a.js"></script>',
            "JavaScript",
        ),
        (b'<body><div id="__next"><p>Loading</p></div><script type="module">start()</script>', "JavaScript"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(32)) * 9, "binary file"),
    ],
)
def test_page_without_text_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PermanentError, match=reason):
        parse("a.html", content, "text/html")


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<p>",
        "<ul><li>x",
        "<table><tr><td>x",
        "<b><i>",
        "<a href=x>",
        "<br>x",
        "</p>",
        "<blockquote>x",
        "<p>*_`[",
        "<pre>",
    ],
)
def test_conversion_takes_linear_time(unit: str) -> None:
    check_linear(
        lambda content: parse("a.html", content, "text/html"), lambda size: unit.encode() * (size // len(unit))
    )


def test_writing_an_item_of_many_blocks_takes_linear_time() -> None:
    check_linear(
        lambda content: parse("a.html", content, "text/html"),
        lambda size: b"<ul><li><div>" + b"<pre>x</pre>" * (size // 12),
        largest=64_000,
    )


def test_text_below_many_nested_elements_is_read() -> None:
    page = "<body>" + "<div>" * 50_000 + f"<p>{PROSE}</p>" + "</div>" * 50_000
    assert parse("a.html", page.encode(), "text/html").text.strip() == PROSE.strip()
