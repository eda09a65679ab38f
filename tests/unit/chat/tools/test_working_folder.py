"""What a program has changed in its folder: bounded, and nothing counts as deleted that could not be read."""

from collections.abc import Mapping
from typing import Any

from functions.chat.tools import working_folder
from functions.chat.tools.working_folder import choose, describe_left_out, find_changes
from headwater.file_store.places import MAX_FILE_BYTES
from headwater.sandbox.limits import Outcome

BEFORE = {"a.txt": b"one", "d/b.txt": b"two"}


def outcome(files: Mapping[str, bytes], **more: Any) -> Outcome:
    values: dict[str, Any] = {"reason": "exit", "code": 0, "output": b"", "skipped": {}, "seconds": 0.1}
    return Outcome(files=files, **(values | more))


def test_new_changed_and_deleted_files_are_found() -> None:
    left = {"a.txt": b"1", "c.txt": b"", ".program.py": b"print()"}
    assert find_changes(BEFORE, outcome(left), ".program.py") == ({"a.txt": b"1", "c.txt": b"", "d/b.txt": None}, [])


def test_unchanged_files_and_caches_are_no_changes() -> None:
    left = {**BEFORE, "__pycache__/a.pyc": b"", "d/node_modules/x.js": b"", ".cache/fonts": b""}
    assert find_changes(BEFORE, outcome(left), "p") == ({}, [])


def test_file_is_not_deleted_if_the_program_was_stopped_or_it_could_not_be_read() -> None:
    assert find_changes(BEFORE, outcome({}, reason="time"), "p").files == {}
    assert find_changes(BEFORE, outcome({}, skipped={"d": "it can't be opened"}), "p").files == {"a.txt": None}
    many = {str(n): "it is a link" for n in range(100)}
    assert find_changes(BEFORE, outcome({}, skipped=many), "p").files == {}


def test_numbers_and_sizes_are_bounded_and_told() -> None:
    many = {f"{n:03}": b"x" for n in range(150)}
    found = find_changes({}, outcome(many), "p")
    assert (len(found.files), len(found.left_out)) == (100, 50)
    found = find_changes({}, outcome({"a": b"x" * (MAX_FILE_BYTES + 1), "b": b""}), "p")
    assert (list(found.files), "31,000,001 bytes" in found.left_out[0]) == (["b"], True)
    half = bytes(working_folder.MAX_CHANGED_BYTES // 2 + 1)
    found = find_changes({}, outcome({"a": half, "b": half, "c": b""}), "p")
    assert list(found.files) == ["a", "c"]
    told = describe_left_out("Not stored", [str(n) for n in range(25)])
    assert told.endswith("18, 19 and 5 more.")
    assert describe_left_out("Not stored", []) == ""


def test_files_that_fit_are_laid_into_the_folder() -> None:
    most = working_folder.MAX_LAID_BYTES
    assert choose([("a", most), ("b", 1), ("c", 0)]) == (["a", "c"], ["b"])
