"""Adversarial files of text formats other than Markdown, by the file's name."""

from collections.abc import Iterable, Iterator

from tests.harness.adversarial.shapes import Shape, growing, halves, repeated, wrapped

_ASCIIDOC = (
    *("= a", "== a ==", "* a", "1. a", "- a", "a::", "a;;", ":a: b", "[source,a]", "[a", ".a", "//", "+", "a +"),
    *("----", "====", "____", "++++", "```a", "--", "|===", "|a", "2+^.>s|", "1.", "<", "a|"),
    *("`", "``", "`+", "*a", "**", "_a", "__", "<<", "<<a", "<<a, ", "link:", "link:a[", "xref:a", "https://a["),
    *("(https://a", "image:a[", "kbd:[", "pass:", "[[", "[[a", "{a", "{a}", "image::a[", "<1>", "Ann <a@b>"),
)
_ORG = (
    *("* a", "** TODO a", "* a :b:", ":a:", ":a", ":end:", "#+begin_src", "#+begin_a b", "#+end_src", "#+title: a"),
    *("#+a:", "[[", "[[a", "[[a][", "[[a][b", "]]", "=a", "~a", "=a=", "*a", "*a*", "/a", "/a/", "|", "| a", "|-"),
    *("- a", "1. a", "+", "- [X] a", " * a", "# a", ",*", "SCHEDULED:", "[#A]", "a"),
)
_EMAIL = (
    *("> a", "> a\na", "> > a", ">", "> a\n\n", "From: a", "> From: a\n> Date: a\n> To: a", "-----Original-----"),
    *("_" * 10, "On a, b wrote:", "a", "\na", "=20", "=?a?q?", "https://a.b", "From a 2020", "--a", "-- ", "\xa0", "é"),
)
_PYTHON = ("def a(", "class A:", "@a", "# a", "    def b(", "async def", "async ", '"""', "a", "return")
_SCRIPT = ("const a = ", "const a: b", "=>", "(", "async ", "export default ", "function a", "class A", "= (", "a:")
_JAVA = ("public ", "class A", "A<B> b(", "A<", ";", "a.b", "[]", "abstract static ", "?", "(")
_C = ("a ", "a * b(", "a::b(", "template <a> ", "template <", "struct a ", "typedef ", "~a(", "&", "a\t")
_RUST = ("pub(", "pub fn a", "impl<", "impl<a> b for ", "unsafe ", 'extern "a" ', "a::", "const ", "<a>", "mod a")
_SQL = ("create ", "create or replace ", "table ", "if not exists ", "a.b", '"', "create table a (", "\n\n", ";", "a")


def _shapes(tokens: Iterable[str]) -> Iterator[tuple[str, Shape]]:
    """Yield shapes of each token, alone and with the next one."""
    tokens = list(tokens)
    for token, other in zip(tokens, [*tokens[1:], tokens[0]], strict=True):
        yield f"{token!r}", repeated(token)
        yield f"{token!r} and spaces", repeated(f"{token} ")
        yield f"{token!r} on lines", repeated(f"{token}\n")
        yield f"{token!r} before spaces", repeated(" ", token, "a")
        yield f"growing {token!r}", growing(token, "\n")
        yield f"lines of {token!r} and {other!r}", repeated(f"{token}\n{other}\n")
        yield f"{token!r}, then {other!r}", halves(token, other)


_TOKENS = {
    "a.adoc": _ASCIIDOC,
    "a.org": _ORG,
    "a.eml": _EMAIL,
    "a.py": _PYTHON,
    "a.ts": _SCRIPT,
    "a.java": _JAVA,
    "a.cpp": _C,
    "a.rs": _RUST,
    "a.sql": _SQL,
}
_WHOLE: dict[str, dict[str, Shape]] = {
    "a.adoc": {
        "cell of digits": repeated("1", "|===\n|a ", "\n|==="),
        "cell of arrows": repeated("<", "|===\n|a ", "\n|==="),
        "spaces in code": repeated(" ", "----\na", "b\n----"),
        "empty lines in code": repeated("\n", "----\na", "b\n----"),
        "brackets below the title": repeated("<", "= a\n"),
        "unclosed fences": repeated("```a\n"),
    },
    "a.eml": {
        **{
            f"{name} of {unit!r}": repeated(unit, f"{name}: ", "\n\na")
            for name in ("From", "Subject", "Date", "Content-Type", "Content-Disposition")
            for unit in ("(", ")", '"', "<", "\\", "=?a?q?", "=?utf-8?q?a?= ", "a@b,", ";a=b", ";a*0*=", "\n ")
        },
        "parts without an end": repeated("--b\nA: b\n\na\n", "Content-Type: multipart/a; boundary=b\n\n"),
        "nested messages": repeated("Content-Type: message/rfc822\n\n", after="a"),
    },
}


def _files() -> Iterator[tuple[tuple[str, str], Shape]]:
    for file, tokens in _TOKENS.items():
        before = "Subject: a\n\n" if file == "a.eml" else ""
        for name, shape in _shapes(tokens):
            yield (file, name), wrapped(shape, before)
        for name, shape in _WHOLE.get(file, {}).items():
            yield (file, name), shape


FILES: dict[tuple[str, str], Shape] = dict(_files())
"""Files by their names and what is adversarial about them."""
