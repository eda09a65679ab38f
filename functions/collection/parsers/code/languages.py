"""Programming languages: file extensions, and how the lines of their definitions begin."""

import re

import msgspec


class Language(msgspec.Struct, frozen=True):
    """A language. `definition` has the groups `indent`, `kind` and `name`.

    `fence` names it in Markdown. `containers` are the kinds of definitions that have others in them.
    """

    fence: str
    suffixes: tuple[str, ...]
    definition: re.Pattern[str]
    containers: frozenset[str] = frozenset(
        {"class", "interface", "trait", "impl", "module", "struct", "object", "enum"}
    )


def _definition(kinds: str, before: str = "", name: str = r"[\w$.:<>~]+") -> re.Pattern[str]:
    return re.compile(rf"(?P<indent>[ \t]*){before}(?P<kind>{kinds})\s+(?P<name>{name})")


_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|sealed|open|override|data|async|export|default|partial"
    r"|virtual|extern|inline|unsafe|suspend|mutating|indirect|fileprivate|declare|readonly)\s+)*"
)
_METHOD = (
    rf"(?P<indent>[ \t]*){_MODIFIERS}(?:(?P<kind>class|interface|enum|record|struct|namespace|@interface)\s+"
    r"|(?!return\b|else\b|new\b|throw\b|await\b)[\w<>\[\],.?]+\s+(?=[\w$]+\s*\([^;]*$))(?P<name>[\w$]+)"
)
_FUNCTION = (
    r"(?P<indent>)(?!return\b|else\b|if\b|for\b|while\b|switch\b|using\b)(?:typedef\s+)?(?:template\s*<[^>]*>\s*)?"
    r"(?:(?P<kind>struct|class|enum|union|namespace)\s+(?=[^;()]*$)"
    r"|[A-Za-z_][\w:<>,*& \t]*?[\s*&](?=[\w:~]+\s*\([^;]*$))(?P<name>[\w:~]+)"
)
_SCRIPT = (
    rf"(?P<indent>[ \t]*){_MODIFIERS}(?:(?P<kind>function\*?|class|interface|enum|type|namespace)\s+"
    r"|(?:const|let|var)\s+(?=[\w$]+\s*(?::[^=]*)?=\s*(?:async\s*)?(?:\(|function\b|[\w$]+\s*=>)))(?P<name>[\w$]+)"
)

LANGUAGES = (
    Language("python", (".py", ".pyi"), _definition("def|class", r"(?:async\s+)?", r"\w+")),
    Language("javascript", (".js", ".mjs", ".cjs", ".jsx"), re.compile(_SCRIPT)),
    Language("typescript", (".ts", ".mts", ".cts", ".tsx"), re.compile(_SCRIPT)),
    Language("java", (".java",), re.compile(_METHOD)),
    Language("csharp", (".cs",), re.compile(_METHOD)),
    Language("kotlin", (".kt", ".kts"), _definition(r"fun|class|interface|object|enum class", _MODIFIERS)),
    Language("swift", (".swift",), _definition("func|class|struct|enum|protocol|extension|actor", _MODIFIERS)),
    Language("scala", (".scala",), _definition(r"def|class|object|trait", rf"(?:case\s+|implicit\s+)*{_MODIFIERS}")),
    Language(
        "go", (".go",), re.compile(r"(?P<indent>)(?P<kind>func|type)\s+(?:\([^)]*\)\s*)?(?P<name>\w+)"), frozenset()
    ),
    Language(
        "rust",
        (".rs",),
        _definition(
            r"fn|struct|enum|trait|impl(?:<[^>]*>)?|mod|union|macro_rules!",
            r"(?:pub(?:\([^)]*\))?\s+)?(?:(?:async|unsafe|const|extern(?:\s+\"\w+\")?|default)\s+)*",
            r"(?:<[^>]*>\s*)?[\w:]+(?:<[^>]*>)?(?:\s+for\s+[\w:]+)?",
        ),
    ),
    Language("c", (".c", ".h"), re.compile(_FUNCTION)),
    Language("cpp", (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu"), re.compile(_FUNCTION)),
    Language("ruby", (".rb",), _definition("def|class|module", "", r"[\w.:?!=]+")),
    Language("php", (".php",), _definition("function|class|interface|trait|enum", _MODIFIERS)),
    Language(
        "bash", (".sh", ".bash", ".zsh"), re.compile(r"(?P<indent>)(?P<kind>function\s+)?(?P<name>[\w-]+)\s*\(\)")
    ),
    Language("lua", (".lua",), _definition("function", r"(?:local\s+)?")),
    Language(
        "elixir", (".ex", ".exs"), _definition("defmodule|defp?|defmacro", "", r"[\w.?!]+"), frozenset({"defmodule"})
    ),
    Language("julia", (".jl",), _definition("function|struct|module|macro", r"(?:mutable\s+)?")),
    Language("r", (".r",), re.compile(r"(?P<indent>)(?P<name>[\w.]+)\s*(?:<-|=)\s*(?P<kind>function)\b")),
    Language(
        "sql",
        (".sql",),
        re.compile(
            r"(?P<indent>\s*)create\s+(?:or\s+replace\s+)?(?:unique\s+|materialized\s+|temporary\s+)?"
            r"(?P<kind>table|view|function|procedure|trigger|index|type|policy|schema)\s+(?:if\s+not\s+exists\s+)?"
            r"(?P<name>[\w.\"]+)",
            re.IGNORECASE,
        ),
        frozenset(),
    ),
)
