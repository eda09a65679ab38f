"""The processes that parse files: results, limits, recovery from faults, and turns between workspaces."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil
import pytest

from functions.collection.chunking.chunk import chunk
from functions.collection.documents.parsed_file import ParsedFile, ParseFailure
from functions.collection.documents.parser_pool import BATCH_FILES, LARGE_BYTES, ParseLimits, ParserPool
from headwater.connectors import Fetched
from headwater.embedding.registry import load_tokenizer
from headwater.errors import ConfigError, TooManyRequests
from tests.harness.corpus import FILES
from tests.harness.parsing import parse

WORKSPACE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
MIB = 1024**2
LIMITS = ParseLimits(cpu_s=60.0, memory_bytes=384 * MIB, processes=2, model_dir=Path("/nonexistent"))

SLOW = b"x " * 480_000
"""A small file with as many words as its size allows: about a second of processor time."""

STOPPED = "Parsing took longer than 0.5 s and was stopped. Split the file, or exclude it from the source."

Results = dict[str, ParsedFile | str]


class Pool(ParserPool):
    """A pool whose processes and results are easy to look at. `others` are processes of other pools."""

    others: frozenset[int] = frozenset()

    def read(
        self, files: dict[str, bytes], workspace_id: uuid.UUID = WORKSPACE, wait_s: float | None = None
    ) -> Results:
        fetched = [Fetched(key, content, "text/markdown") for key, content in files.items()]
        results = self.parse(workspace_id, fetched, "constant", wait_s=wait_s)
        return {file.key: result.reason if isinstance(result, ParseFailure) else result for file, result in results}

    @property
    def pids(self) -> list[int]:
        return [pid for pid in parser_processes() if pid not in self.others]


def parser_processes() -> list[int]:
    """Return the ids of the children of this process that parse files."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if ":FileParser" in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


@pytest.fixture
def open_pool() -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []
    before = frozenset(parser_processes())

    def open_with(**limits: float) -> Pool:
        pool = Pool(msgspec.structs.replace(LIMITS, **limits))
        pool.others = before
        pools.append(pool)
        return pool

    yield open_with
    for pool in pools:
        pool.close()
    assert set(parser_processes()) <= before


@pytest.fixture
def pool(open_pool: Callable[..., Pool]) -> Pool:
    return open_pool()


def title(result: object) -> str:
    assert isinstance(result, ParsedFile), result
    return result.title


def wait_for(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_result_is_that_of_the_parser_and_the_chunker(pool: Pool) -> None:
    tokenizer = load_tokenizer("constant", Path())
    results = pool.read(FILES)
    assert list(results) == list(FILES)
    for key, content in FILES.items():
        expected = parse(key, content, "text/markdown")
        result = results[key]
        assert isinstance(result, ParsedFile)
        assert (result.title, result.text, result.front_matter) == (
            expected.title,
            expected.text,
            expected.front_matter,
        )
        assert (result.links, result.warnings) == (expected.links, expected.warnings)
        assert [*result.chunks] == chunk([expected], tokenizer)[0]


def test_unreadable_file_has_a_reason_and_its_process_is_kept(pool: Pool) -> None:
    pool.read({"a.md": b"# A"})
    [first] = pool.pids
    results = pool.read({"a.md": b"# A", "b.md": b"a\0", "c.md": b"# C"})
    assert (title(results["a.md"]), results["b.md"], title(results["c.md"])) == (
        "A",
        "looks like a binary file: NUL byte at offset 1",
        "C",
    )
    assert pool.pids == [first]


def test_file_without_a_parser_or_content_is_not_sent(pool: Pool) -> None:
    files = [Fetched("a.png", b"PNG", "image/png"), Fetched("b.md", None, "text/markdown", error="b.md is gone")]
    (_, image), (_, gone) = pool.parse(WORKSPACE, files, "constant")
    assert isinstance(image, ParseFailure)
    assert (image.reason[:35], image.may_pass) == ("no installed parser reads image/png", False)
    assert gone == ParseFailure("b.md is gone", may_pass=True)
    assert pool.pids == []


def test_file_over_its_processor_time_fails_and_the_others_of_its_batch_do_not(open_pool: Callable[..., Pool]) -> None:
    pool = open_pool(cpu_s=0.5)
    files = {f"{n:03}.md": f"# {n}".encode() for n in range(BATCH_FILES + 10)} | {"020.md": SLOW, "070.md": SLOW}
    results = pool.read(files)
    assert {key for key, result in results.items() if isinstance(result, str)} == {"020.md", "070.md"}
    assert results["020.md"] == results["070.md"] == STOPPED
    assert title(results["021.md"]) == "21"


@pytest.mark.parametrize("size", [LARGE_BYTES // 2, LARGE_BYTES + MIB], ids=["small", "large"])
def test_file_over_its_memory_fails_with_the_reason(open_pool: Callable[..., Pool], size: int) -> None:
    pool = open_pool(memory_bytes=12 * MIB)
    results = pool.read({"a.md": b"# A", "b.md": b"x " * (size // 2), "c.md": b"# C"})
    assert results["b.md"] == (
        "Parsing needed more than 12 MB of memory and was stopped. Split the file, or exclude it from the source."
    )
    assert (title(results["a.md"]), title(results["c.md"])) == ("A", "C")


def test_large_file_gets_a_process_that_ends_with_it(pool: Pool) -> None:
    pool.read({"a.md": b"# A"})
    [first] = pool.pids
    assert title(pool.read({"b.md": b"# B\n\n" + b"word\n\n" * (LARGE_BYTES // 6)})["b.md"]) == "B"
    assert pool.pids == []
    pool.read({"a.md": b"# A"})
    assert pool.pids != [first]


def test_process_that_died_while_idle_is_replaced(pool: Pool) -> None:
    pool.read({"a.md": b"# A"})
    [first] = pool.pids
    os.kill(first, signal.SIGKILL)
    assert title(pool.read({"b.md": b"# B"})["b.md"]) == "B"
    assert pool.pids not in ([], [first])


def test_file_whose_process_is_killed_is_parsed_again_once(pool: Pool) -> None:
    """The first process dies from outside. A file that kills each of its processes fails with the signal."""
    results: Results = {}
    killed: list[int] = []
    for kills in (1, 2):
        reading = threading.Thread(target=lambda: results.update(pool.read({"a.md": SLOW})))
        reading.start()
        for _ in range(kills):
            wait_for(lambda: kill_one(pool, killed))
        reading.join()
        if kills == 1:
            assert title(results["a.md"]) == "A"
            pool.close()
    assert str(results["a.md"]).startswith("The parser ended in 'parse' (signal 9).")


def kill_one(pool: Pool, killed: list[int]) -> bool:
    """Kill a process that starts or parses, and add its id to `killed`. Returns False if there is none yet."""
    for pid in set(pool.pids) - set(killed):
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)
        return True
    return False


def test_warm_starts_one_process_that_the_first_file_uses(pool: Pool) -> None:
    pool.warm("constant")
    pool.warm("constant")
    wait_for(lambda: pool.pids)
    [first] = pool.pids
    pool.read({"a.md": b"# A"})
    assert pool.pids == [first]


def test_process_survives_the_thread_that_used_it_first(pool: Pool) -> None:
    """Linux kills a child when the thread that has started it ends."""
    thread = threading.Thread(target=pool.read, args=({"a.md": b"# A"},))
    thread.start()
    thread.join()
    [first] = pool.pids
    pool.read({"a.md": b"# A"})
    assert pool.pids == [first]


def test_missing_tokenizer_is_no_fault_of_the_file(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="model file"):
        list(pool.parse(WORKSPACE, [Fetched("a.md", b"# A", "text/markdown")], "all-MiniLM-L6-v2"))


def test_another_model_takes_the_place_of_an_idle_process(open_pool: Callable[..., Pool]) -> None:
    pool = open_pool(processes=1)
    for model in ("constant", "openai:text-embedding-3-small", "constant"):
        [(_, result)] = pool.parse(WORKSPACE, [Fetched("a.md", b"# A", "text/markdown")], model)
        assert title(result) == "A"
        assert len(pool.pids) == 1


def test_workspaces_share_the_processes_and_never_more_than_the_limit_run(pool: Pool) -> None:
    """Three threads of one workspace parse slow files in one process; another workspace's file overtakes them."""
    events: list[str] = []
    most = 0

    def read(name: str, content: bytes, workspace_id: uuid.UUID) -> None:
        title(pool.read({name: content}, workspace_id)[name])
        events.append(name)

    slow = [threading.Thread(target=read, args=(f"slow{n}.md", SLOW, WORKSPACE)) for n in range(3)]
    for thread in slow:
        thread.start()
    wait_for(lambda: pool.pids)
    quick = threading.Thread(target=read, args=("quick.md", b"# Q", OTHER))
    quick.start()
    while any(thread.is_alive() for thread in slow):
        most = max(most, len(pool.pids))
        time.sleep(0.01)
    quick.join()
    assert events.index("quick.md") < 2
    assert most <= 2


def test_request_that_finds_no_process_is_refused(open_pool: Callable[..., Pool]) -> None:
    pool = open_pool(processes=1)
    parsing = threading.Thread(target=pool.read, args=({"slow.md": SLOW},))
    parsing.start()
    wait_for(lambda: pool._parsing)
    with pytest.raises(TooManyRequests, match="Try again"):
        pool.read({"a.md": b"# A"}, OTHER, wait_s=0.01)
    parsing.join()
    assert title(pool.read({"a.md": b"# A"}, OTHER, wait_s=30)["a.md"]) == "A"
