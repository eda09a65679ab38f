"""Typed functions for prompt functions."""

import typing
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest

from functions.chat.prompts.files import read_prompt
from scripts.prompts import main, write_module
from tests.harness.prompts import CLASSIFY

ODD = """
description = "Says \\u0000 \\"\\"\\" and \\\\."
prompt = ""
input.type = "object"
[input.properties."an id"]
type = "object"
properties.class.type = "number"
properties.list.items = { type = "object", properties.x.const = 1 }
properties.list.type = "array"
[output]
type = "array"
items = { type = "object", additionalProperties = { type = "integer" } }
"""


def test_types_are_those_of_the_schemas() -> None:
    module: dict[str, Any] = {}
    functions = [read_prompt("classify", CLASSIFY.encode()), read_prompt("class", ODD.encode())]
    exec(compile(write_module(functions), "prompts_client.py", "exec"), module)
    given, output = (typing.get_type_hints(module[f"Classify{part}"]) for part in ("Input", "Output"))
    assert given == {"text": str, "customer": str | None, "tags": list[str]}
    assert output == {"kind": typing.Literal["refund", "question"], "urgent": bool, "order": int | None}
    assert module["ClassifyOutput"].__required_keys__ == {"kind", "urgent"}
    hints = typing.get_type_hints(module["Prompts"].class_)
    assert hints["return"] == list[dict[str, int]]
    assert hints["given"].__annotations__.keys() == {"an id"}
    inner = typing.get_type_hints(typing.get_type_hints(hints["given"])["an id"])
    assert inner["class"] is float
    [item] = typing.get_args(inner["list"])
    assert typing.get_type_hints(item) == {"x": typing.Literal[1]}


def test_methods_have_names_that_python_allows() -> None:
    module: dict[str, Any] = {}
    functions = [read_prompt(name, CLASSIFY.encode()) for name in ("class", "class_", "list", "str")]
    exec(compile(write_module(functions), "prompts_client.py", "exec"), module)
    assert {name for name in vars(module["Prompts"]) if name[0] != "_"} == {"class_", "class__", "list_", "str_"}
    calls: list[str] = []
    prompts = module["Prompts"](None)
    prompts._call = lambda name, *_: calls.append(name)
    for name in ("class_", "class__", "list_", "str_"):
        getattr(prompts, name)({})
    assert calls == ["class", "class_", "list", "str"]


def test_error_has_the_reason_of_the_reply() -> None:
    module: dict[str, Any] = {}
    exec(compile(write_module([read_prompt("classify", CLASSIFY.encode())]), "prompts_client.py", "exec"), module)
    app = flask.Flask(__name__)
    app.post("/api/prompts/classify")(lambda: ({"title": "Invalid input", "detail": "text is missing."}, 422))
    client = httpx.Client(transport=httpx.WSGITransport(app), base_url="http://headwater")
    with client, pytest.raises(httpx.HTTPStatusError) as caught:
        module["Prompts"](client).classify({})
    assert "text is missing." in caught.value.__notes__[0]


def test_command_names_files_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "classify.toml").write_text(CLASSIFY)
    assert main([str(tmp_path)]) == 0
    assert "class Prompts:" in capsys.readouterr().out
    (tmp_path / "bad.toml").write_text("")
    assert main([str(tmp_path)]) == 1
    assert "bad.toml: It is not a valid prompt" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 2
