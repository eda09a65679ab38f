"""Programming languages: file extensions, and how the lines of their definitions begin."""

import re

import msgspec

CONTAINERS = frozenset(
    {"class", "interface", "trait", "impl", "module", "struct", "object", "enum", "enum class", "record", "namespace"}
) | {"protocol", "extension", "actor", "defmodule", "defprotocol", "defimpl", "service", "mixin", "union"}
"""Kinds of definitions that have others in them."""


class Language(msgspec.Struct, frozen=True):
    """A language. `definition` has the groups `indent`, `kind` and `name`, and `owner` of what it belongs to.

    `fence` names it in Markdown. `member` recognises what is a definition only directly in a container, with the groups
    `indent` and `name`. `is_split`: the type of a function may be on the line above its name.
    """

    fence: str
    suffixes: tuple[str, ...]
    definition: re.Pattern[str]
    member: re.Pattern[str] | None = None
    is_split: bool = False


def _definition(kinds: str, before: str = "", name: str = r"[\w$.~]+", *, flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?P<indent>[ \t]*){before}(?P<kind>{kinds})\s+(?:<[^>]*>\s*)?(?P<name>{name})", flags)


_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|sealed|open|override|data|async|export|default|partial"
    r"|virtual|extern|inline|unsafe|suspend|mutating|nonmutating|indirect|fileprivate|declare|readonly|synchronized|native"
    r"|operator|infix|tailrec|inner|annotation|value|companion|actual|expect|convenience|required|late|external)\s+)*"
)
_ATTRIBUTES = r"(?:@\w+(?:\([^)]*\))?\s+)*"
_BODY = r"\((?:[^;{=]|=(?!>))*(?:\{|=>|$)"
"""Parameters, and the start of a body. A declaration ends with a semicolon."""
_STATEMENT = (
    r"(?!(?:return|else|new|throw|await|if|for|while|switch|catch|using|lock|case|do|yield|assert|super|function)\b)"
)
_METHOD = re.compile(
    rf"(?P<indent>[ \t]*){_ATTRIBUTES}{_MODIFIERS}(?:(?P<kind>class|interface|enum|record|struct|namespace"
    rf"|@interface|mixin|extension)\s+|(?:<[^()=;]*>\s*)?{_STATEMENT}[\w.]+(?:<[^()=;{{}}]*>)?[\[\]?]*\s+(?=[\w$]+\s*(?:<[^()]*>)?{_BODY}))"
    r"(?P<name>[\w$]+(?:\.[\w$]+)*)"
)
_CONSTRUCTOR = re.compile(rf"(?P<indent>[ \t]+)(?P<name>[A-Z]\w*)(?={_BODY})")
_FUNCTION = re.compile(
    r"(?P<indent>)(?!(?:return|else|if|for|while|switch|using|case|do)\b)(?:typedef\s+)?(?:template\s*<[^>]*>\s*)?"
    r"(?:(?P<kind>struct|class|enum|union|namespace)\s+(?=[^;()]*(?:\{|$))"
    r"|[A-Za-z_][\w:<>,*& \t]*?[\s*&](?=(?:[\w:~]+(?:<[^<>()]*>[\w:~]*)?|[\w:]*operator[^\w\s(]+)\s*\([^;{]*(?:\{|$)))"
    r"(?P<name>[\w:]*operator[^\w\s(]+|[\w:~]+(?:<[^<>()]*>::[\w:~]*)?)"
)
_SCRIPT = re.compile(
    rf"(?P<indent>[ \t]*){_MODIFIERS}(?:(?P<kind>function\b\*?|class|interface|enum|type|namespace)\s*\*?\s*(?=[\w$])"
    r"|(?:const|let|var)\s+(?=[\w$]+\s*(?::[^=]*)?=\s*(?:async\s*)?(?:\(|function\b|[\w$]+\s*=>|<)))(?P<name>[\w$]+)"
)
_SCRIPT_MEMBER = re.compile(
    rf"(?P<indent>[ \t]+){_MODIFIERS}(?:(?:get|set)\s+)?\*?{_STATEMENT}(?P<name>#?[\w$]+)\s*"
    r"(?:(?:<[^()]*>)?\([^;{]*(?:\{|[(,]\s*$)|(?::[^=]*)?=\s*(?:async\s*)?(?:\([^;]*=>|function\b))"
)
LANGUAGES = (
    Language("python", (".py", ".pyi"), _definition("def|class", r"(?:async\s+)?", r"\w+")),
    Language("javascript", (".js", ".mjs", ".cjs", ".jsx"), _SCRIPT, _SCRIPT_MEMBER),
    Language("typescript", (".ts", ".mts", ".cts", ".tsx"), _SCRIPT, _SCRIPT_MEMBER),
    Language("vue", (".vue",), _SCRIPT),
    Language("svelte", (".svelte",), _SCRIPT),
    Language("java", (".java",), _METHOD, _CONSTRUCTOR),
    Language("groovy", (".groovy", ".gradle"), _METHOD, _CONSTRUCTOR),
    Language("csharp", (".cs",), _METHOD, _CONSTRUCTOR),
    Language("dart", (".dart",), _METHOD, _CONSTRUCTOR),
    Language("kotlin", (".kt", ".kts"), _definition("fun|class|interface|object|enum class", _ATTRIBUTES + _MODIFIERS)),
    Language(
        "swift",
        (".swift",),
        _definition(
            "func|class|struct|enum|protocol|extension|actor", _ATTRIBUTES + _MODIFIERS, r"\w+|[^\w\s(]+(?=\()"
        ),
        re.compile(rf"(?P<indent>[ \t]+){_ATTRIBUTES}{_MODIFIERS}(?P<name>init|deinit|subscript)[?!]?\s*[<({{]"),
    ),
    Language(
        "scala", (".scala", ".sc"), _definition("def|class|object|trait|enum", rf"(?:case\s+|implicit\s+)*{_MODIFIERS}")
    ),
    Language(
        "go",
        (".go",),
        re.compile(
            r"(?P<indent>)(?P<kind>func|type)\s+(?:\(\s*(?:\w+\s+)?\*?(?P<owner>\w+)(?:\[[^\]]*\])?\s*\)\s*)?(?P<name>\w+)"
        ),
    ),
    Language(
        "rust",
        (".rs",),
        re.compile(
            r"(?P<indent>[ \t]*)(?:pub(?:\([^)]*\))?\s+)?(?:(?:async|unsafe|const|extern(?:\s+\"\w+\")?|default)\s+)*"
            r"(?P<kind>fn|struct|enum|trait|impl|mod|union|macro_rules!)(?:<[^{]*?>)?\s+"
            r"(?P<name>[\w:]+(?:<[^{]*?>)?(?:\s+for\s+[\w:]+)?)"
        ),
    ),
    Language("c", (".c", ".h"), _FUNCTION, is_split=True),
    Language("cpp", (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu"), _FUNCTION, is_split=True),
    Language("zig", (".zig",), _definition("fn", r"(?:(?:pub|export|inline|extern)\s+)*", r"\w+")),
    Language("ruby", (".rb",), _definition("def|class|module", r"(?:(?:private|protected)\s+)?", r"[\w.:?!=]+")),
    Language("php", (".php",), _definition("function|class|interface|trait|enum", _MODIFIERS)),
    Language("perl", (".pl", ".pm"), _definition("sub|package", "", r"[\w:]+")),
    Language(
        "bash",
        (".sh", ".bash", ".zsh"),
        re.compile(r"(?P<indent>)(?:(?P<kind>function)\s+|(?=[\w:.-]+\s*\(\)))(?P<name>[\w:.-]+)"),
    ),
    Language(
        "powershell", (".ps1", ".psm1"), _definition("function|filter|class|enum", "", r"[\w:-]+", flags=re.IGNORECASE)
    ),
    Language(
        "lua",
        (".lua",),
        re.compile(r"(?P<indent>)(?:local\s+)?(?:(?P<kind>function)\s+|(?=[\w.:]+\s*=\s*function\b))(?P<name>[\w.:]+)"),
    ),
    Language(
        "elixir",
        (".ex", ".exs"),
        _definition("defmodule|defprotocol|defimpl|defp?|defmacrop?|defguard", "", r"[\w.?!]+"),
    ),
    Language("julia", (".jl",), _definition("function|struct|module|macro", r"(?:mutable\s+)?")),
    Language("r", (".r",), re.compile(r"(?P<indent>)(?P<name>[\w.]+)\s*(?:<-|=)\s*(?P<kind>function)\b")),
    Language(
        "haskell",
        (".hs",),
        re.compile(r"(?P<indent>)(?:(?P<kind>data|newtype|class|type)\s+|(?=[\w']+\s*::))(?P<name>[\w']+)"),
    ),
    Language(
        "clojure", (".clj", ".cljs"), re.compile(r"(?P<indent>)\((?P<kind>def\w*-?)\s+(?:\^\S+\s+)*(?P<name>[^\s()]+)")
    ),
    Language(
        "hcl",
        (".tf", ".hcl"),
        re.compile(
            r"(?P<indent>)(?P<kind>resource|data|module|variable|output|provider|locals)\b\s*\"?(?P<name>[\w-]*(?:\"\s+\"[\w-]+)?)"
        ),
    ),
    Language("protobuf", (".proto",), _definition("message|service|enum|rpc", "", r"\w+")),
    Language(
        "graphql",
        (".graphql", ".gql"),
        _definition("type|input|enum|interface|union|scalar|query|mutation|fragment", r"(?:extend\s+)?", r"\w+"),
    ),
    Language(
        "sql",
        (".sql",),
        re.compile(
            r"(?P<indent>\s*)create\s+(?:or\s+replace\s+)?(?:(?:unique|materialized|temporary|temp|global|recursive)\s+)*"
            r"(?P<kind>table|view|function|procedure|trigger|index|type|policy|schema)\s+(?:concurrently\s+)?"
            r"(?:if\s+not\s+exists\s+)?(?P<name>[\w.\"`\[\]]+)",
            re.IGNORECASE,
        ),
    ),
)
