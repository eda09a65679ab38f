"""Call prompt functions with the inputs of their examples, and compare what they return."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from scripts.evaluation.api import Api, ApiError

MAX_SHOWN_CHARS = 300


class Tried(NamedTuple):
    """An example: `value` is what the function returned, `problem` why it returned nothing."""

    name: str
    number: int
    expected: Any
    value: Any
    problem: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the function returned what the example expects."""
        return not self.problem and bool(self.value == self.expected)


def try_examples(api: Api, names: Sequence[str] = ()) -> list[Tried]:
    """Call the functions of a running stack, or those with the given names. Raises ApiError if one is not there."""
    functions = {each["name"]: each for each in api.request("GET", "/api/prompts")["prompts"]}
    if unknown := [name for name in names if name not in functions]:
        raise ApiError(f"Prompt not found: {', '.join(unknown)}. There are {', '.join(functions) or 'none'}.")
    tried = []
    for name in names or functions:
        if problem := functions[name]["problem"]:
            tried.append(Tried(name, 0, None, None, problem))
        for number, example in enumerate(functions[name]["examples"], start=1):
            tried.append(_try(api, name, number, example))
    return tried


def _try(api: Api, name: str, number: int, example: dict[str, Any]) -> Tried:
    try:
        value = api.request("POST", f"/api/prompts/{name}", {"input": example["input"]})["value"]
    except ApiError as error:
        return Tried(name, number, example["output"], None, str(error))
    return Tried(name, number, example["output"], value)


def describe_tried(tried: Sequence[Tried]) -> str:
    """Return a table of the functions, and each example that differs."""
    lines = ["prompt                            examples  as expected"]
    for name in dict.fromkeys(each.name for each in tried):
        own = [each for each in tried if each.name == name and each.number]
        lines.append(f"{name:32}  {len(own):8}  {sum(each.is_equal for each in own):11}")
    for each in tried:
        if each.problem:
            place = f"{each.name}, example {each.number}" if each.number else each.name
            lines.append(f"\n{place}: {each.problem}")
        elif not each.is_equal:
            lines.append(f"\n{each.name}, example {each.number}:\n  expected {_show(each.expected)}")
            lines.append(f"  returned {_show(each.value)}")
    return "\n".join(lines)


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"
