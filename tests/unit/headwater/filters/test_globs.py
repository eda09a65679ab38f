"""Glob patterns of sources, compared with a slow reference matcher."""

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.filters.globs import MAX_PATTERN_CHARS, PatternError, compile_patterns
from tests.harness.adversarial.globs import GLOBS
from tests.harness.growth import check_linear


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
        ("**/*.md", "README.MD"),
        ("**/*.Rmd", "a/b.rmd"),
        ("**/*.Rmd", "a/b.RMD"),
        ("*.[A-Z]", "a.B"),
        ("*.[a-z]", "a.B"),
        ("*.B*", "a.bc"),
        (r"*.\B", "a.b"),
        ("**/.MD", "a/.md"),
    ],
)
def test_pattern_matches_path(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("readme.md", "README.MD"),
        ("DOCS/*.md", "docs/a.md"),
        ("a.[a-z]", "a.B/c"),
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
def test_pattern_does_not_match_path(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty pattern"),
        ("/", "empty pattern"),
        ("a//b", "segment ''"),
        ("./a", "segment '.'"),
        ("../a", "segment '..'"),
        ("[a", "[ without ]"),
        ("[]", "[ without ]"),
        ("[z-a]", "reversed range"),
        ("a\\", "ends with"),
        ("**/*.{md,mdx}", "separate patterns"),
        ("x" * (MAX_PATTERN_CHARS + 1), "The limit is 1,000"),
    ],
)
def test_invalid_pattern_is_rejected_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        compile_patterns([pattern])


def test_more_than_100_patterns_are_rejected() -> None:
    with pytest.raises(PatternError, match="101 patterns"):
        compile_patterns(["a"] * 101)


def test_patterns_match_what_any_of_them_matches() -> None:
    matcher = compile_patterns(["*.md", "*.mdx"])
    assert matcher("a.md")
    assert matcher("a.mdx")
    assert not matcher("a.txt")
    assert not compile_patterns([])("a.md")


SEGMENT = st.text("ab.*?", min_size=1, max_size=4).filter(lambda s: s not in (".", "..") and "**" not in s)
PATTERN = st.lists(SEGMENT | st.just("**"), min_size=1, max_size=5).map("/".join)
PATH = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=6).map("/".join)


def slow_match(pattern: list[str], path: list[str]) -> bool:
    """Try every way to match; the standard library matches segments."""
    if not pattern:
        return not path
    if pattern == ["**"]:
        return bool(path)
    if pattern[0] == "**":
        return slow_match(pattern[1:], path) or (bool(path) and slow_match(pattern, path[1:]))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and slow_match(pattern[1:], path[1:])


@given(PATTERN, PATH)
def test_matcher_agrees_with_the_reference_matcher(pattern: str, path: str) -> None:
    assert matches(pattern, path) == slow_match(pattern.split("/"), path.split("/"))


@pytest.mark.parametrize("name", GLOBS)
def test_matching_takes_linear_time_in_the_path(name: str) -> None:
    patterns, path = GLOBS[name]
    check_linear(compile_patterns(patterns), path, smallest=16_000)


@pytest.mark.parametrize("name", GLOBS)
def test_matching_takes_linear_time_in_the_patterns(name: str) -> None:
    patterns, path = GLOBS[name]
    long_path = path(20_000)
    check_linear(
        lambda some: compile_patterns(some)(long_path), lambda count: patterns[:count], smallest=12, largest=96
    )


def test_long_patterns_together_are_rejected() -> None:
    with pytest.raises(PatternError, match=r"the patterns have 10,100 characters together\. The limit is 10,000"):
        compile_patterns(["a" * 101] * 100)


def test_more_than_50_character_sets_are_rejected() -> None:
    with pytest.raises(PatternError, match="the patterns have 51 character sets"):
        compile_patterns(["[ab]" * 51])
