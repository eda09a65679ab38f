"""Titles: from front matter, the main heading, or the file's name."""

import pytest

from tests.harness.parsing import parse

LOGO = '<p align="center"><img src="l.svg"></p>\n\n[![CI](ci.svg)](ci) ![t](t.svg)\n[![][badge]](x)\n\n[badge]: b\n\n'


@pytest.mark.parametrize(
    ("key", "text", "title"),
    [
        # Front matter comes first.
        ("a.md", "---\ntitle: '  From the\n  front '\n---\n# Heading", "From the front"),
        ("a.md", "---\ntitle: 2024\n---\n", "2024"),
        ("a.md", "+++\ntitle = 'Water tower'\n+++\n\n# Heading", "Water tower"),
        ("a.md", '{"title": "Mill"}\n\n# Heading', "Mill"),
        ("a.md", "---\ntitle: [no]\n---\n# The `first` *heading*\n## Second", "The first heading"),
        # The heading that names the page.
        ("a.md", "#\n\n# Second", "Second"),
        ("a.md", "Text before it.\n\n# Only one\n\n## Part", "Only one"),
        ("a.md", "## Step\n\nText\n\n# Only one\n\n## Step", "Only one"),
        ("a.md", "# First\n\n# Second\n", "First"),
        ("a.md", "First\n=====\n\nSecond\n======\n", "First"),
        ("a.md", f"{LOGO}# First\n\n# Second\n", "First"),
        (
            "a.mdx",
            "import A from 'a'\n\n<A text='A component with a sentence in it' />\n\n# First\n\n# Second",
            "First",
        ),
        ("a.md", "## Control room\n\nIt is upstairs.", "Control room"),
        ("a.md", "## Control room\n\n### Left\n\nText\n\n### Right", "Control room"),
        ("a.md", "Control room\n---\n\nIt is upstairs.", "Control room"),
        # Headings of sections name no page.
        ("Writing well.md", "How the crew writes.\n\n## Paragraphs\n\nText\n\n## Headings", "Writing well"),
        ("writing-well.md", "How the crew writes.\n\n# Paragraphs\n\nText\n\n# Headings", "Writing well"),
        ("releases/v0.9.1.md", "## What is new\n\nA lamp.\n\n## What is mended\n\nThe pump.", "V0.9.1"),
        ("pump.md", "It pumps.\n\n## Use", "Pump"),
        ("pump.md", "### Use\n\nText\n\n## Care", "Pump"),
        ("pump.md", "> # Quoted\n\n- # In a list", "Pump"),
        # Names of files.
        ("guides/getting-started_now.md", "Text", "Getting started now"),
        ("guides/set-up/README.md", "Text", "Set up"),
        ("guides/set-up/_index.md", "Text", "Set up"),
        ("guides/set-up/index.mdx", "Text\n\n## One\n\n## Two", "Set up"),
        ("README.md", "Text", "README"),
        ("日本語.md", "Text", "日本語"),
        ("_posts/2024-03-01-two-lamps.md", "Text", "Two lamps"),
        ("journals/2024_03_01.md", "Text", "Mar 1st, 2024"),
        ("journals/2024_03_12.md", "Text", "Mar 12th, 2024"),
        ("docs/01-pumps/README.md", "Text", "Pumps"),
        ("docs/01-pumps/2-use.md", "Text", "Use"),
        ("docs/1. Use.md", "Text", "Use"),
        ("docs/3-phase-power.md", "Text", "3 phase power"),
        ("docs/404.md", "Text", "404"),
        ("a.md", "title:: Valve control\nalias:: Valves\n\n- Text", "Valve control"),
        ("daily/2024-03-01.md", "Text", "2024-03-01"),
        ("pages/tools___lamp.md", "Text", "Tools/lamp"),
        ("What%3F.md", "Text", "What?"),
        ("100%.md", "Text", "100%"),
        ("---.md", "Text", "---.md"),
    ],
)
def test_title_names_the_page(key: str, text: str, title: str) -> None:
    assert parse(key, text.encode(), "text/markdown").title == title
