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


DECORATED = '@route(\n    "/a",\n)\n@other\ndef f():\n    pass\n'


def test_decorators_of_several_lines_belong_to_their_definition() -> None:
    parsed = parse("a.py", DECORATED.encode(), "")
    assert parsed.text == f"## f\n\n```python\n{DECORATED.rstrip()}\n```"


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
            ["A", "A.m", "f"],
        ),
        (
            "a.js",
            "class A {\n  constructor(x) { super(x); }\n  static async *m(a,\n    b) {\n    if (a) {\n    }\n  }\n"
            "  get x() {}\n  #h() {}\n  f = () => 1;\n  y = 1;\n}\nfunction g() {}",
            ["A", "A.constructor", "A.m", "A.x", "A.#h", "A.f", "g"],
        ),
        ("a.go", "// F does.\nfunc (r *R) F() {}\nfunc (l List[T]) G() {}\ntype T struct{}", ["R.F", "List.G", "T"]),
        (
            "a.c",
            "int x = 1;\nstatic int f(int a,\n  int b)\n{\n return g(a);\n}\nstruct s {\n};\nint no(int);",
            ["f", "s"],
        ),
        ("a.java", "class A {\n  static List<String> m(int a) {\n    return f(a);\n  }\n}", ["A", "A.m"]),
        ("a.rs", "impl<T> Foo for S {\n    pub fn m(&self) {}\n}\nfn g() {}", ["Foo for S", "Foo for S.m", "g"]),
        ("a.sh", "foo() {\n}\nfunction bar() {\n}", ["foo", "bar"]),
        ("a.sql", "create table a (x int);\nCREATE OR REPLACE FUNCTION b.c() returns int;", ["a", "b.c"]),
        ("a.rb", "module A\n  class B\n    def x; end\n  end\nend", ["A", "A.B", "A.B.x"]),
        (
            "a.cs",
            "namespace N.M\n{\n    public class A : I\n    {\n        A(int x)\n        {\n        }\n"
            "        Task<Map<int, B>> F() => 1;\n    }\n}",
            ["N.M", "A", "A.A", "A.F"],
        ),
        (
            "a.cpp",
            "namespace n {\ntemplate <typename T>\nclass A {\n};\nint A<T>::size() const {\n}\n}\n"
            "static void\nf(int x)\n{\n}\nint one() { return 1; }\nint no(int);",
            ["n", "A", "A::size", "f", "one"],
        ),
        ("a.swift", "class A {\n    init(x: Int) {}\n}\n@MainActor class B: V { }", ["A", "A.init", "B"]),
        (
            "a.py",
            "class A:\n    class B:\n        def f(self): ...\n\nif x:\n    def no(): ...\n",
            ["A", "A.B", "A.B.f"],
        ),
        ("a.dart", "class A {\n  void f() {}\n}\nvoid main() {}", ["A", "A.f", "main"]),
        ("a.ps1", "function Get-Pump {\n}\n", ["Get-Pump"]),
        ("a.pl", "package A::B;\nsub run {\n}", ["A::B", "run"]),
        ("a.proto", "message A {\n  int32 x = 1;\n}\nservice S {\n  rpc F (A) returns (A);\n}", ["A", "S", "S.F"]),
        ("a.tf", 'resource "disk" "main" {\n}\nvariable "x" {}', ["disk main", "x"]),
        ("a.hs", "data P = P\narea :: P -> Int\narea p = 1", ["P", "area"]),
        ("a.clj", "(ns a)\n(defn- area [x] x)", ["area"]),
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
