"""Source code as sections with the comments above each definition."""

import pytest

from functions.collection.parsers.code.languages import LANGUAGES
from functions.collection.parsers.code.parser import parse
from headwater.parsers import check_parsed

PYTHON = '''"""Doc."""
import os

# About A.
@dec
class A(B):
    def m(self):
        def inner(): pass

def f():
    return "# no heading"
'''


def headings(name: str, text: str) -> list[str]:
    parsed = parse(name, text.encode(), "")
    check_parsed(parsed)
    return [block.heading_path[-1] for block in parsed.blocks or () if block.kind == "heading"]


def test_definition_is_a_section_with_its_comments_and_decorators() -> None:
    parsed = parse("src/a.py", PYTHON.encode(), "")
    check_parsed(parsed)
    assert parsed.text == (
        '```python\n"""Doc."""\nimport os\n```\n\n## A\n\n```python\n# About A.\n@dec\nclass A(B):\n```\n\n'
        "### A.m\n\n```python\n    def m(self):\n        def inner(): pass\n```\n\n"
        '## f\n\n```python\ndef f():\n    return "# no heading"\n```'
    )
    assert parsed.title == "a.py"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "a.ts",
            "/** D */\nexport class A<T> {\n  m() {}\n}\nexport const f = async (a) => {\n}\nconst x = 1;",
            ["A", "f"],
        ),
        ("a.go", "// F does.\nfunc (r *R) F() {}\ntype T struct{}", ["F", "T"]),
        (
            "a.c",
            "int x = 1;\nstatic int f(int a,\n  int b)\n{\n return g(a);\n}\nstruct s {\n};\nint no(int);",
            ["f", "s"],
        ),
        ("a.java", "class A {\n  static List<String> m(int a) {\n    return f(a);\n  }\n}", ["A", "A.m"]),
        ("a.rs", "impl<T> Foo for S {\n    pub fn m(&self) {}\n}\nfn g() {}", ["Foo for S", "Foo for S.m", "g"]),
        ("a.sh", "foo() {\n}\nfunction bar() {\n}", ["foo", "bar"]),
        ("a.sql", "create table a (x int);\nCREATE OR REPLACE FUNCTION b.c() returns int;", ["a", "b.c"]),
        ("a.rb", "module A\n  class B\n    def x; end\n  end\nend", ["A", "A.B"]),
        ("a.kt", "data class A(val x: Int) {\n    fun m() {}\n}", ["A", "A.m"]),
        ("a.txt.py", "print(1)", []),
    ],
)
def test_definitions_of_a_language_are_found(name: str, text: str, expected: list[str]) -> None:
    assert headings(name, text) == expected


def test_long_lines_are_read_in_linear_time() -> None:
    for language in LANGUAGES:
        for line in ("a " * 100_000, "a(" * 100_000, "public static " * 400, "export const a" * 5_000):
            check_parsed(parse(f"a{language.suffixes[0]}", f"{line}\n".encode() * 3, ""))
