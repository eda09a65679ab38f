"""The glob patterns of sources, held against a slow and obvious matcher."""

import re
import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.collection.connectors.globs import MAX_PATTERN_CHARS, PatternError, compile_patterns


def matches(pattern: str, path: str) -> bool:
    return compile_patterns([pattern])(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/*.md", "README.md"),
        ("**/*.md", "docs/a/b.md"),
        ("**/*.md", "docs/.hidden.md"),
        ("*.md", "README.md"),
        ("/*.md", "README.md"),
        ("docs/**", "docs/a/b.png"),
        ("docs/", "docs/a/b.png"),
        ("docs/**/b.md", "docs/b.md"),
        ("docs/**/b.md", "docs/x/y/b.md"),
        ("**/docs/**", "a/docs/b"),
        ("**/docs/**", "docs/b"),
        ("**/a/**/a/*.md", "a/a/x.md"),
        ("**/a/**/a/*.md", "a/b/a/a/x.md"),
        ("**/**/**", "a"),
        ("**", "a/b/c"),
        ("a/b**c.md", "a/bxxc.md"),
        ("doc?.md", "doc1.md"),
        ("doc[0-9a].md", "doca.md"),
        ("doc[!0-9].md", "docx.md"),
        ("doc[^0-9].md", "docx.md"),
        ("doc[]].md", "doc].md"),
        ("doc[a-].md", "doc-.md"),
        ("doc[&&--||~~].md", "doc&.md"),
        (r"\*.md", "*.md"),
        (r"\{id\}.md", "{id}.md"),
        ("[[]x].md", "[x].md"),
        ("a.b", "a.b"),
        ("línea/ü*.md", "línea/über.md"),
        ("*", "new\nline"),
    ],
)
def test_a_pattern_takes_what_it_names(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/*.md", "README.MD"),
        ("**/*.md", "docs/a.mdx"),
        ("**/*.md", "docs.md/a"),
        ("*.md", "docs/README.md"),
        ("docs/*", "docs/a/b"),
        ("docs/**", "docs"),
        ("docs/**", "xdocs/a"),
        ("docs/**/b.md", "docs/xb.md"),
        ("doc?.md", "doc/.md"),
        ("doc[!0-9]x", "doc/x"),
        ("a.b", "axb"),
        ("a/b**c.md", "a/b/c.md"),
    ],
)
def test_a_pattern_leaves_what_it_does_not_name(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "names nothing"),
        ("/", "names nothing"),
        ("a//b", "segment ''"),
        ("./a", "segment '.'"),
        ("../a", "segment '..'"),
        ("[a", "without its ]"),
        ("[]", "without its ]"),
        ("[z-a]", "backwards"),
        ("a\\", "nothing after it"),
        ("**/*.{md,mdx}", "several patterns"),
        ("x" * (MAX_PATTERN_CHARS + 1), "longer than"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused_with_the_reason(pattern: str, complaint: str) -> None:
    with pytest.raises(PatternError, match=re.escape(complaint)):
        compile_patterns([pattern])


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(PatternError, match="101 patterns"):
        compile_patterns(["a"] * 101)


def test_several_patterns_take_what_any_of_them_takes_and_none_takes_nothing() -> None:
    either = compile_patterns(["*.md", "*.mdx"])
    assert either("a.md")
    assert either("a.mdx")
    assert not either("a.txt")
    assert not compile_patterns([])("a.md")


SEGMENT = st.text("ab.*?", min_size=1, max_size=4).filter(lambda s: s not in (".", "..") and "**" not in s)
PATTERN = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=5).map("/".join)
PATH = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=6).map("/".join)


def slow_match(pattern: list[str], path: list[str]) -> bool:
    """Try every way; segments by the standard library."""
    if not pattern:
        return not path
    if pattern == ["**"]:
        return bool(path)
    if pattern[0] == "**":
        return slow_match(pattern[1:], path) or (bool(path) and slow_match(pattern, path[1:]))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and slow_match(pattern[1:], path[1:])


@given(PATTERN, PATH)
def test_the_matcher_agrees_with_one_that_tries_every_way(pattern: str, path: str) -> None:
    assert matches(pattern, path) == slow_match(pattern.split("/"), path.split("/"))


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 200 + "b", "a" * 2_000),
        ("**/a/" * 100 + "b", "a/" * 1_000 + "c"),
        ("**/" * 200 + "b", "a/" * 1_000 + "c"),
        ("**/*a*a*a*a*b", "/".join(["a" * 200] * 10)),
    ],
)
def test_a_hostile_pattern_costs_no_more_than_a_good_one(pattern: str, path: str) -> None:
    matcher = compile_patterns([pattern])
    started = time.process_time()
    assert not matcher(path)
    assert time.process_time() - started < 5  # with going back it would be years
