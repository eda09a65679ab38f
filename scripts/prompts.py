"""Write typed Python functions for prompt functions. Called by `scripts/prompts`."""

import keyword
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from functions.chat.prompts.files import PromptFolder, PromptFunction

HEAD = '''\
"""Prompt functions of Headwater, written by `scripts/prompts`. Don't edit: write it again."""

from typing import Any, Literal, NotRequired, Required, TypedDict

import httpx
'''

CLIENT = '''
class Prompts:
    """Calls prompt functions. `client` has the base URL of a Headwater and an `Authorization` header.

    Raises httpx.HTTPStatusError, whose note is the problem that Headwater replied with.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _call(self, name: str, given: Any, model: str | None) -> Any:
        body = {"input": given} | ({"model": model} if model else {})
        response = self._client.post(f"/api/prompts/{name}", json=body, timeout=None)
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            error.add_note(response.text)
            raise
        return response.json()["value"]
'''

METHOD = '''
    def {name}(self, given: {input}, *, model: str | None = None) -> {output}:
        """{description}"""
        return self._call("{prompt}", given, model)  # type: ignore[no-any-return]
'''

_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
_TYPE_NAMES = ("bool", "dict", "float", "int", "list", "str")
"""Types that annotations of the class name: a method of that name would take their place."""


def main(arguments: Sequence[str]) -> int:
    """Print the module. Returns the exit code: 1 if a file can't be used."""
    folder = Path(arguments[0] if arguments else "prompts")
    if len(arguments) > 1 or not folder.is_dir():
        print(f"scripts/prompts: {' '.join(arguments) or folder} is no folder.", file=sys.stderr)
        return 2
    found = PromptFolder(str(folder)).list()
    problems = [problem for problem in found.values() if isinstance(problem, str)]
    for problem in problems:
        print(f"scripts/prompts: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(write_module([function for function in found.values() if isinstance(function, PromptFunction)]), end="")
    return 0


def write_module(functions: Sequence[PromptFunction]) -> str:
    """Return a module with a class `Prompts`, which has a method for each function."""
    types = _Types()
    methods: dict[str, str] = {}
    for function in functions:
        stem = "".join(part.title() for part in function.name.split("_"))
        given = function.file.description or f"Call {function.name}."
        description = " ".join("".join(char if char.isprintable() else " " for char in given).split())
        name = function.name
        while keyword.iskeyword(name) or name in _TYPE_NAMES or name in methods:
            name += "_"
        methods[name] = METHOD.format(
            name=name,
            prompt=function.name,
            input=types.of(function.input.json, f"{stem}Input"),
            output=types.of(function.output.json, f"{stem}Output"),
            description=description.replace("\\", "\\\\").replace('"', "'"),
        )
    return "\n".join([HEAD, *types.classes, CLIENT.lstrip("\n") + "".join(methods.values())])


class _Types:
    """Writes the types of JSON Schemas. `classes` has the definitions, in an order in which they can be read."""

    def __init__(self) -> None:
        self.classes: list[str] = []
        self._names: set[str] = set()

    def of(self, schema: Any, name: str) -> str:
        """Return the type of a schema, the widest if it can't be said exactly. `name` is for its class."""
        if not isinstance(schema, Mapping):
            return "Any"
        if "const" in schema or "enum" in schema:
            return _literal(schema.get("enum", [schema.get("const")]))
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._union([self.of(option, f"{name}{n}") for n, option in enumerate(options, start=1)])
        given = schema.get("type", "object" if "properties" in schema else None)
        kinds = given if isinstance(given, list) else [given]
        return self._union([self._of_kind(kind, schema, name) for kind in kinds])

    def _of_kind(self, kind: Any, schema: Mapping[str, Any], name: str) -> str:
        if kind == "object" and schema.get("properties"):
            return self._class(schema, name)
        if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
            return f"dict[str, {self.of(schema['additionalProperties'], f'{name}Value')}]"
        if kind == "array" and "items" in schema:
            return f"list[{self.of(schema['items'], f'{name}Item')}]"
        return _TYPES.get(kind, "Any")

    def _class(self, schema: Mapping[str, Any], name: str) -> str:
        while name in self._names:
            name += "_"
        self._names.add(name)
        required = schema.get("required", [])
        fields = []
        for key, value in schema["properties"].items():
            type_ = self.of(value, name + "".join(part.title() for part in _words(key)))
            fields.append(f"{key!r}: {'Required' if key in required else 'NotRequired'}[{type_}]")
        # The functional syntax takes every key.
        self.classes.append(f'{name} = TypedDict("{name}", {{{", ".join(fields)}}})\n')
        return name

    def _union(self, types: Sequence[str]) -> str:
        return "Any" if "Any" in types else " | ".join(dict.fromkeys(types))


def _words(key: str) -> list[str]:
    return "".join(char if char.isascii() and char.isalnum() else " " for char in key).split()


def _literal(values: Sequence[Any]) -> str:
    """Return a literal type; the widest if a value can't be in one."""
    if not values or not all(value is None or isinstance(value, str | int) for value in values):
        return "Any"
    return f"Literal[{', '.join(map(repr, values))}]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
