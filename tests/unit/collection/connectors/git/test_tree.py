"""Git tree walks: selected files, skipped entries with reasons, limits, and hostile trees."""

import stat
import tracemalloc

import pytest

from functions.collection.connectors.git.tree import ReadTree, SelectedFiles, walk
from headwater.connectors import MAX_KEY_BYTES
from headwater.errors import PermanentError, UpstreamError
from headwater.filters.globs import Selector

FILE, FOLDER, LINK, SUBMODULE = stat.S_IFREG | 0o644, stat.S_IFDIR, stat.S_IFLNK, 0o160000


def sha(digit: int) -> str:
    return f"{digit:040x}"


def tree(*entries: tuple[int, bytes, int]) -> bytes:
    """Return a tree object of (mode, name, object number)."""
    return b"".join(b"%o %s\0" % (mode, name) + bytes.fromhex(sha(number)) for mode, name, number in entries)


def reader(**trees: bytes) -> ReadTree:
    return {sha(int(name[1:])): content for name, content in trees.items()}.get


def no_file(_path: str) -> bool:
    return False


all_files = Selector(lambda _path: True, no_file)
markdown_files = Selector(lambda path: path.endswith(".md"), no_file)


def test_walk_returns_files_with_path_and_sha() -> None:
    read = reader(
        t1=tree((FILE, b"a.md", 10), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11), (FILE | 0o111, b"c", 12))
    )
    assert walk(read, sha(1), None, all_files) == SelectedFiles(
        {"a.md": sha(10), "d/b.md": sha(11), "d/c": sha(12)}, {}, {}
    )
    assert walk(read, sha(1), None, markdown_files).files == {"a.md": sha(10), "d/b.md": sha(11)}
    assert walk(read, sha(1), "d", all_files).files == {"d/b.md": sha(11), "d/c": sha(12)}
    assert walk(read, sha(1), "d/c", all_files).files == {"d/c": sha(12)}
    assert walk(read, sha(1), "d/c", markdown_files).files == {}


def test_walk_reads_only_folders_on_the_way_to_the_path() -> None:
    read = reader(t1=tree((FOLDER, b"a", 404), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11)))
    assert walk(read, sha(1), "d", all_files).files == {"d/b.md": sha(11)}
    with pytest.raises(UpstreamError, match="did not send the folder 'a'"):
        walk(read, sha(1), None, all_files)


@pytest.mark.parametrize("path", ["x", "d/x", "a.md/x", "a.md/x/y", "D", "d/b.md/x"])
def test_missing_path_is_named(path: str) -> None:
    read = reader(t1=tree((FILE, b"a.md", 10), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11)))
    with pytest.raises(PermanentError, match=f"'{path}'"):
        walk(read, sha(1), path, all_files)


def test_skipped_entries_are_reported_if_the_patterns_match() -> None:
    entries = [
        (LINK, b"link.md", 3),
        (LINK, b"link", 3),
        (SUBMODULE, b"lib", 4),
        (FILE, b"\xff.md", 5),
        (FILE, b"\xff", 5),
    ]
    walked = walk(reader(t1=tree(*entries)), sha(1), None, markdown_files)
    assert walked.files == {}
    assert set(walked.skipped) == {"link.md", "lib", "\\xff.md"}


def test_path_too_long_for_an_index_is_skipped() -> None:
    read = reader(
        t1=tree((FOLDER, b"n" * (MAX_KEY_BYTES - 4), 2), (FILE, b"m" * MAX_KEY_BYTES, 9)),
        t2=tree((FILE, b"a", 10), (FILE, b"abc", 11), (FILE, b"abcd", 12)),
    )
    walked = walk(read, sha(1), None, all_files)
    assert {len(key) for key in walked.files} == {MAX_KEY_BYTES - 2, MAX_KEY_BYTES}
    assert [len(key.encode()) for key in walked.skipped] == [MAX_KEY_BYTES]


def test_folder_with_a_long_path_is_skipped_with_the_reason() -> None:
    read = reader(t1=tree((FOLDER, b"n" * (MAX_KEY_BYTES + 1), 2)), t2=tree((FILE, b"a.md", 10)))
    [(key, reason)] = walk(read, sha(1), None, markdown_files).skipped.items()
    assert (len(key.encode()), reason[:38]) == (MAX_KEY_BYTES, "the folder's path is longer than 2,000")


def test_files_that_no_pattern_includes_are_counted_by_extension() -> None:
    names = [b"a.rst", b"b.RST", b"c.md", b"d.md.txt", b".env", b"Makefile", b"x.Y"]
    entries = [(FILE, name, 9) for name in names] + [(LINK, b"link.rst", 3), (SUBMODULE, b"lib.rst", 4)]
    selector = Selector(markdown_files.includes, lambda path: path == "c.md")
    walked = walk(reader(t1=tree(*entries)), sha(1), None, selector)
    assert walked.files == {}
    assert walked.unmatched == {".rst": 2, ".txt": 1, "": 2, ".y": 1}


def test_too_many_files_from_shared_subtrees_are_rejected() -> None:
    bomb = {f"t{n}": tree(*((FOLDER, b"%d" % i, n + 1) for i in range(100))) for n in range(1, 9)}
    with pytest.raises(PermanentError, match="more than"):
        walk(reader(**bomb, t9=tree((FILE, b"f", 10))), sha(1), None, all_files)


def test_too_many_long_paths_are_rejected() -> None:
    read = reader(
        t1=tree((FOLDER, b"d" * (MAX_KEY_BYTES - 20), 2)),
        t2=tree(*((FOLDER, b"%d" % n, 3) for n in range(40))),
        t3=tree(*((FILE, b"%d" % n, 10) for n in range(2_000))),
    )
    with pytest.raises(PermanentError, match="paths have more than"):
        walk(read, sha(1), None, all_files)


def test_large_folder_with_long_paths_is_rejected_in_little_memory() -> None:
    read = reader(
        t1=tree((FOLDER, b"d" * (MAX_KEY_BYTES - 20), 2)), t2=tree(*((FILE, b"%d" % n, 10) for n in range(70_000)))
    )
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError, match="paths have more than"):
            walk(read, sha(1), None, all_files)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_walk_of_a_tree_that_contains_itself_ends() -> None:
    walked = walk(reader(t1=tree((FOLDER, b"d" * 100, 1), (FILE, b"f", 10))), sha(1), None, all_files)
    assert max(map(len, walked.files)) <= MAX_KEY_BYTES
    assert len(walked.skipped) == 1


def test_damaged_tree_is_a_permanent_error() -> None:
    with pytest.raises(PermanentError, match="damaged"):
        walk(reader(t1=b"100644 a\0short"), sha(1), None, all_files)
