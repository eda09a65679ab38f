"""Walking trees: what is taken, what is left out and why, and trees made to hurt."""

import stat
import tracemalloc

import pytest

from functions.collection.connectors.git.tree import MAX_KEY_BYTES, ReadTree, Walked, walk
from headwater.errors import PermanentError, UpstreamError

FILE, FOLDER, LINK, SUBMODULE = stat.S_IFREG | 0o644, stat.S_IFDIR, stat.S_IFLNK, 0o160000


def sha(digit: int) -> str:
    return f"{digit:040x}"


def tree(*entries: tuple[int, bytes, int]) -> bytes:
    """Write a tree object of (mode, name, number of the object)."""
    return b"".join(b"%o %s\0" % (mode, name) + bytes.fromhex(sha(number)) for mode, name, number in entries)


def reader(**trees: bytes) -> ReadTree:
    return {sha(int(name[1:])): content for name, content in trees.items()}.get


def everything(_path: str) -> bool:
    return True


def markdown(path: str) -> bool:
    return path.endswith(".md")


def test_files_are_found_with_their_path_and_sha() -> None:
    read = reader(
        t1=tree((FILE, b"a.md", 10), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11), (FILE | 0o111, b"c", 12))
    )
    assert walk(read, sha(1), None, everything) == Walked({"a.md": sha(10), "d/b.md": sha(11), "d/c": sha(12)}, {})
    assert walk(read, sha(1), None, markdown).files == {"a.md": sha(10), "d/b.md": sha(11)}
    assert walk(read, sha(1), "d", everything).files == {"d/b.md": sha(11), "d/c": sha(12)}
    assert walk(read, sha(1), "d/c", everything).files == {"d/c": sha(12)}
    assert walk(read, sha(1), "d/c", markdown).files == {}


def test_only_folders_on_the_way_to_the_path_are_read() -> None:
    read = reader(t1=tree((FOLDER, b"a", 404), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11)))
    assert walk(read, sha(1), "d", everything).files == {"d/b.md": sha(11)}
    with pytest.raises(UpstreamError, match="left out the folder 'a'"):
        walk(read, sha(1), None, everything)


@pytest.mark.parametrize("path", ["x", "d/x", "a.md/x", "a.md/x/y", "D", "d/b.md/x"])
def test_a_path_that_is_not_there_is_named(path: str) -> None:
    read = reader(t1=tree((FILE, b"a.md", 10), (FOLDER, b"d", 2)), t2=tree((FILE, b"b.md", 11)))
    with pytest.raises(PermanentError, match=f"'{path}'"):
        walk(read, sha(1), path, everything)


def test_what_is_left_out_is_told_where_the_patterns_would_have_taken_it() -> None:
    entries = [
        (LINK, b"link.md", 3),
        (LINK, b"link", 3),
        (SUBMODULE, b"lib", 4),
        (FILE, b"\xff.md", 5),
        (FILE, b"\xff", 5),
    ]
    walked = walk(reader(t1=tree(*entries)), sha(1), None, markdown)
    assert walked.files == {}
    assert set(walked.skipped) == {"link.md", "lib", "\\xff.md"}


def test_a_path_too_long_for_an_index_is_left_out() -> None:
    read = reader(
        t1=tree((FOLDER, b"n" * (MAX_KEY_BYTES - 4), 2), (FILE, b"m" * MAX_KEY_BYTES, 9)),
        t2=tree((FILE, b"a", 10), (FILE, b"abc", 11), (FILE, b"abcd", 12)),
    )
    walked = walk(read, sha(1), None, everything)
    assert {len(key) for key in walked.files} == {MAX_KEY_BYTES - 2, MAX_KEY_BYTES}
    assert [len(key) for key in walked.skipped] == [MAX_KEY_BYTES + 1]


def test_trees_that_share_their_subtrees_a_billion_times_are_refused() -> None:
    bomb = {f"t{n}": tree(*((FOLDER, b"%d" % i, n + 1) for i in range(100))) for n in range(1, 9)}
    with pytest.raises(PermanentError, match="more than"):
        walk(reader(**bomb, t9=tree((FILE, b"f", 10))), sha(1), None, everything)


def test_few_names_that_make_many_long_paths_are_refused() -> None:
    read = reader(
        t1=tree((FOLDER, b"d" * (MAX_KEY_BYTES - 20), 2)),
        t2=tree(*((FOLDER, b"%d" % n, 3) for n in range(40))),
        t3=tree(*((FILE, b"%d" % n, 10) for n in range(2_000))),
    )
    with pytest.raises(PermanentError, match="paths take more than"):
        walk(read, sha(1), None, everything)


def test_a_folder_that_would_make_too_many_long_paths_is_refused_in_little_memory() -> None:
    read = reader(
        t1=tree((FOLDER, b"d" * (MAX_KEY_BYTES - 20), 2)), t2=tree(*((FILE, b"%d" % n, 10) for n in range(70_000)))
    )
    tracemalloc.start()
    try:
        with pytest.raises(PermanentError, match="paths take more than"):
            walk(read, sha(1), None, everything)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_tree_within_itself_comes_to_an_end() -> None:
    walked = walk(reader(t1=tree((FOLDER, b"d" * 100, 1), (FILE, b"f", 10))), sha(1), None, everything)
    assert max(map(len, walked.files)) <= MAX_KEY_BYTES
    assert len(walked.skipped) == 1


def test_a_damaged_tree_is_a_lasting_error() -> None:
    with pytest.raises(PermanentError, match="damaged"):
        walk(reader(t1=b"100644 a\0short"), sha(1), None, everything)
