"""The language of filters: what is parsed, and where errors are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.filters.parse import MAX_CHARS, MAX_CONDITIONS, MAX_DEPTH, MAX_PATH_CHARS, FilterError, parse_filter
from headwater.filters.tree import And, Condition, Filter, Not, Or, Value


def tag(*texts: str) -> Condition:
    return Condition("tag", (), ":", tuple(map(Value, texts)))


@pytest.mark.parametrize(
    ("text", "filter_"),
    [
        ("", None),
        (" \n\t", None),
        ("tag:a", tag("a")),
        ("tag:a,b", tag("a", "b")),
        ("tag:*", tag()),
        ('tag:"*"', Condition("tag", (), ":", (Value("*", True),))),
        ("tag:a:b", tag("a:b")),
        ("tag:-a", tag("-a")),
        ('meta.author:"Ann \\"A\\\\\\" Lee"', Condition("meta", ("author",), ":", (Value('Ann "A\\" Lee', True),))),
        ('meta."a b".c>=-1.5', Condition("meta", ("a b", "c"), ">=", (Value("-1.5"),))),
        ("date<2026-01", Condition("date", (), "<", (Value("2026-01"),))),
        ("tag:a tag:b", And((tag("a"), tag("b")))),
        ("tag:a AND tag:b", And((tag("a"), tag("b")))),
        ("tag:a OR tag:b tag:c", Or((tag("a"), And((tag("b"), tag("c")))))),
        ("(tag:a OR tag:b) tag:c", And((Or((tag("a"), tag("b"))), tag("c")))),
        ("-tag:a", Not(tag("a"))),
        ("NOT tag:a tag:b", And((Not(tag("a")), tag("b")))),
        (" - ( tag:a ) ", Not(tag("a"))),
        ("Tag:a or NOT TAG:b and tag:or", Or((tag("a"), And((Not(tag("b")), tag("or")))))),
        ("Meta.Author:a", Condition("meta", ("Author",), ":", (Value("a"),))),
        ("path:docs/**/*.md", Condition("path", (), ":", (Value("docs/**/*.md"),))),
    ],
)
def test_filter_is_parsed(text: str, filter_: Filter | None) -> None:
    assert parse_filter(text) == filter_


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("tag", 3, "expected `:` and a value after `tag`"),
        ("tag:", 4, "expected a value"),
        ("tag: a", 4, "expected a value"),
        ("tag:a,", 6, "expected a value"),
        ("tag:a, b", 6, "expected a value"),
        ("tags:a", 0, "expected one of the fields source, kind,"),
        ("tag:a word", 6, "found `word`"),
        ("tag:a OR", 8, "expected one of the fields"),
        ("OR tag:a", 0, "found `OR`"),
        ("tag:a AND OR tag:b", 10, "found `OR`"),
        ("-", 1, "expected one of the fields"),
        ("(tag:a", 0, "there is no ) for this ("),
        ("tag:a )", 6, "there is no ( for this )"),
        ("()", 1, "expected one of the fields"),
        ('tag:"a', 4, "a quotation mark isn't closed"),
        ('tag:"a\\n"', 4, "a quotation mark isn't closed"),
        ("tag>a", 3, "`tag` can't be compared"),
        ("tag.a:b", 3, "`tag` has no parts"),
        ("meta:a", 4, "expected a name, such as `meta.author`"),
        ("meta.:a", 5, "expected one of the fields"),
        ("meta.a>b", 7, "expected a number or a date to compare with, found `b`"),
        ('meta.a>"1"', 7, "found a text. Remove the quotation marks."),
        ('date:"2026"', 5, "found a text. Remove the quotation marks."),
        ("tag:a,“b c”", 6, 'found the quotation mark “. Use straight ones: "'),
        ("meta.“a b”:c", 5, 'found the quotation mark “. Use straight ones: "'),
        ("meta.a>1,2", 8, "`>` takes one value"),
        ("meta.a>*", 7, "expected a number or a date"),
        ("date:soon", 5, "expected a date, such as 2026, 2026-01 or 2026-01-31, found `soon`"),
        ("date:2026-13", 5, "expected a date"),
        ("date:2026-02-30", 5, "expected a date"),
        ("date:0000", 5, "expected a date"),
        ("date:9999", 5, "expected a date"),
        ("path:a/{b,c}", 5, "has a brace"),
        ("path:a//b", 5, "which matches no path"),
        ("tag:a\0b", 5, "a NUL character"),
        (f"tag:{'x' * MAX_CHARS}", MAX_CHARS, "2,004 characters. The limit is 2,000"),
        (f"path:{'x' * (MAX_PATH_CHARS + 1)}", 5, "the path has 301 characters"),
        ("tag:" + ",".join("a" * (MAX_CONDITIONS + 1)), 104, "more than 50 values"),
        ("(" * 1_500 + "tag:a", MAX_DEPTH + 1, "nest deeper than 10 levels"),
        ("-" * 1_500 + "tag:a", MAX_DEPTH + 1, "nest deeper than 10 levels"),
        ("(" * 10_000, MAX_CHARS, "10,000 characters"),
    ],
)
def test_error_says_where_and_what(text: str, position: int, message: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    assert error.value.position == position
    assert error.value.message.startswith(f"Invalid filter at character {position + 1}: ")
    assert message in error.value.message


@given(st.text('abtag:,"\\()<>=- .*/[]{}ORNTAD\n\0é', max_size=40) | st.text(max_size=20))
def test_any_text_is_a_filter_or_an_error_in_it(text: str) -> None:
    assert 0 <= error_position(text) <= len(text)


def error_position(text: str) -> int:
    """Return the position of a filter's error, 0 if there is none."""
    try:
        parse_filter(text)
    except FilterError as error:
        return error.position
    return 0


def written(filter_: Filter, depth: int = 0) -> str:
    """Write a filter as text."""
    match filter_:
        case And(filters):
            text = " ".join(written(inner, depth + 1) for inner in filters)
        case Or(filters):
            text = " OR ".join(written(inner, depth + 1) for inner in filters)
        case Not(inner):
            return f"-{written(inner, depth + 1)}"
        case Condition(field, path, operator, values):
            names = [f'"{name}"' for name in path]
            quoted = [f'"{value.text}"' if value.is_quoted else value.text for value in values]
            return f"{'.'.join([field, *names])}{operator}{','.join(quoted) or '*'}"
    return f"({text})" if depth else text


_VALUES = st.builds(Value, st.text("ab-:.é", min_size=1, max_size=4), st.booleans())
_CONDITIONS = st.builds(Condition, st.just("tag"), st.just(()), st.just(":"), st.lists(_VALUES, max_size=2).map(tuple))
_CONDITIONS |= st.builds(
    Condition,
    st.just("meta"),
    st.lists(st.text("ab .:", min_size=1, max_size=3), min_size=1, max_size=2).map(tuple),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from(["1", "-2.5", "2026-01"]).map(lambda text: (Value(text),)),
)


@given(
    st.recursive(
        _CONDITIONS,
        lambda inner: (
            st.builds(Not, inner) | st.builds(And, st.tuples(inner, inner)) | st.builds(Or, st.tuples(inner, inner))
        ),
        max_leaves=6,
    )
)
def test_written_filter_is_parsed_as_the_same(filter_: Filter) -> None:
    assert parse_filter(written(filter_)) == filter_
