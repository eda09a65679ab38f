"""Files of prompt functions."""

import os
from pathlib import Path

import pytest

from functions.chat.prompts.files import MAX_FILE_BYTES, PromptFolder, PromptFunction, read_prompt
from headwater.errors import NotFound, UnprocessableContent
from tests.harness.growth import check_linear
from tests.harness.prompts import CLASSIFY


def test_input_is_inserted_as_it_is() -> None:
    function = read_prompt("classify", CLASSIFY.encode())
    given = {"text": "Say {{tags}}\\1", "customer": None, "tags": ["a", "é"]}
    assert function.prompt_for(given) == 'Sort this request of : Say {{tags}}\\1 ["a","é"]'
    assert function.prompt_for({"text": ""}) == "Sort this request of :  "
    assert len(function.file.examples) == 2


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("Classify", ("", ""), "lower-case letters"),
        ("classify", ('prompt = "Sort', "prompt = Sort"), "not a valid prompt: "),
        ("classify", ("description =", "describes ="), "describes"),
        ("classify", ("{{text}}", "{{words}}"), "{{words}} is not a property of the input"),
        ("classify", ('[input]\ntype = "object"', '[input]\ntype = "array"'), 'the type must be "object"'),
        (
            "classify",
            ('[output]\ntype = "object"', '[output]\ntype = "thing"'),
            "output: schema is not a valid JSON Schema",
        ),
        ("classify", ("urgent = false", 'urgent = "no"'), "Example 2: output/urgent"),
        ("classify", ('input = { text = "My money back!" }', "input = { text = 5 }"), "Example 1: input/text"),
        ("classify", ("[output]", f"# {'x' * MAX_FILE_BYTES}\n[output]"), "more than 200,000 bytes"),
        ("classify", ("[output]", f"deep = {'[' * 5_000}{']' * 5_000}\n[output]"), "not a valid prompt: "),
    ],
    ids=["name", "toml", "field", "placeholder", "input", "output", "example", "given", "long", "deep"],
)
def test_unusable_file_has_its_reason(name: str, change: tuple[str, str], reason: str) -> None:
    assert change[0] in CLASSIFY
    with pytest.raises(UnprocessableContent) as caught:
        read_prompt(name, CLASSIFY.replace(*change).encode())
    assert reason in caught.value.message


def test_placeholders_are_read_in_linear_time() -> None:
    def make(size: int) -> bytes:
        return CLASSIFY.replace("{{text}}", "{{" + " " * size + "{{ text }}").encode()

    assert read_prompt("classify", make(10)).prompt_for({"text": "a"}).endswith("{{" + " " * 10 + "a ")
    check_linear(lambda content: read_prompt("classify", content), make, largest=128_000)


def test_byte_order_mark_of_windows_is_left_out() -> None:
    assert read_prompt("classify", b"\xef\xbb\xbf" + CLASSIFY.encode()).file.prompt


def test_folder_is_read_again_when_a_file_changes(tmp_path: Path) -> None:
    folder = PromptFolder(str(tmp_path))
    path = tmp_path / "classify.toml"
    path.write_text("prompt = 5")
    (tmp_path / "other.toml").write_text(CLASSIFY)
    found = folder.list()
    assert str(found["classify"]).startswith("classify.toml: It is not a valid prompt")
    assert isinstance(found["other"], PromptFunction)
    with pytest.raises(UnprocessableContent, match=r"classify\.toml"):
        folder.get("classify")
    path.write_text(CLASSIFY)
    os.utime(path, ns=(0, 0))
    assert folder.get("classify") is folder.get("classify")
    path.unlink()
    for name in ("classify", "../other", "", "x" * 65):
        with pytest.raises(NotFound, match=r"There are other\."):
            folder.get(name)


def test_folder_need_not_exist(tmp_path: Path) -> None:
    for folder in (PromptFolder(""), PromptFolder(str(tmp_path / "none"))):
        assert folder.list() == {}
        with pytest.raises(NotFound, match="PROMPTS_DIR"):
            folder.get("classify")
