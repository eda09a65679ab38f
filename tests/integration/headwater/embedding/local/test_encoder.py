"""The real model, built from the published weights, against vectors of sentence-transformers."""

import json
import os
import platform
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headwater.embedding.base import Embedder, Tokenizer
from headwater.embedding.export.build import build
from headwater.embedding.local.encoder import Encoder
from headwater.embedding.local.models import MINILM
from headwater.embedding.local.tokenizer_file import GROUP_CHARS, PIECE_CHARS
from headwater.embedding.registry import load_embedder, load_tokenizer
from tests.harness.paths import DATA, MODELS
from tests.harness.stacks import wait_until

NAME = "all-MiniLM-L6-v2"
LONG = "A task that is delivered twice must have the effect of one. " * 40


class Golden(NamedTuple):
    """Texts, and their vectors as sentence-transformers computes them: float32, n × 384."""

    texts: list[str]
    vectors: NDArray[np.float32]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    build(folder, NAME)
    return folder


@pytest.fixture(scope="module")
def embedder(model_dir: Path) -> Embedder:
    return load_embedder(NAME, model_dir)


@pytest.fixture(scope="module")
def tokenizer(model_dir: Path) -> Tokenizer:
    return load_tokenizer(NAME, model_dir)


def _carried() -> Golden:
    content = json.loads((DATA / "minilm_golden.json").read_text("utf-8"))
    texts = [entry["text"] * entry["times"] for entry in content["entries"]]
    return Golden(texts, np.array([entry["vector"] for entry in content["entries"]], np.float32))


def _from_the_data_folder() -> Golden:
    if not (folder := os.environ.get("HEADWATER_DATA")):
        pytest.skip("needs HEADWATER_DATA: a folder with minilm_golden.json")
    content = json.loads(Path(folder, "minilm_golden.json").read_text("utf-8"))
    return Golden(content["texts"], np.array(content["vectors"], np.float32))


@pytest.fixture(scope="module", params=[_carried, _from_the_data_folder])
def golden(request: pytest.FixtureRequest) -> Golden:
    made: Golden = request.param()
    return made


def _assert_same(vectors: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = (vectors * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)
    assert cosines.min() >= 0.9999


def test_single_texts_match_the_reference_vectors(embedder: Embedder, golden: Golden) -> None:
    _assert_same(np.stack([embedder.embed_query(text) for text in golden.texts]), golden.vectors)


def test_batched_texts_match_the_reference_vectors(embedder: Embedder, golden: Golden) -> None:
    vectors = embedder.embed_documents(golden.texts)
    assert vectors.dtype == np.float32
    _assert_same(vectors, golden.vectors)


def test_vectors_have_the_order_of_the_texts(embedder: Embedder, golden: Golden) -> None:
    order = random.Random(7).sample(range(len(golden.texts)), len(golden.texts))
    _assert_same(embedder.embed_documents([golden.texts[index] for index in order]), golden.vectors[order])


def test_long_neighbours_do_not_change_vectors(embedder: Embedder, golden: Golden) -> None:
    mixed = [part for text in golden.texts for part in (LONG[: 7 * len(text) + 40], text, LONG)]
    _assert_same(embedder.embed_documents(mixed)[1::3], golden.vectors)


def test_single_thread_matches_the_reference_vectors(model_dir: Path) -> None:
    golden = _carried()
    _assert_same(load_embedder(NAME, model_dir, threads=1).embed_documents(golden.texts), golden.vectors)


def test_embedder_can_be_shared_between_threads(embedder: Embedder) -> None:
    golden = _carried()

    def embed_and_count(turn: int) -> NDArray[np.float32]:
        embedder.tokenizer.starts([LONG] * turn)
        return np.roll(embedder.embed_documents(golden.texts[turn:] + golden.texts[:turn]), turn, axis=0)

    with ThreadPoolExecutor(max_workers=4) as threads:
        for vectors in threads.map(embed_and_count, range(8)):
            _assert_same(vectors, golden.vectors)


class RecordingEncoder(Encoder):
    """Records the tokens of each batch's longest text, and how many run at a time. They wait for `is_open`."""

    def __init__(self, folder: Path, threads: int) -> None:
        super().__init__(MINILM, folder, threads=threads)
        self.is_open = threading.Event()
        self.lock = threading.Lock()
        self.batches: list[int] = []
        self.running = self.most_running = 0

    def wait_for(self, waiting: int) -> None:
        """Wait until as many batches wait for their turn."""
        wait_until(lambda: self.batches and self._batches.pool._work_queue.qsize() == waiting)

    def _run(self, ids: list[list[int]]) -> NDArray[np.float32]:
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            self.batches.append(len(ids[0]))
        self.is_open.wait()
        try:
            return super()._run(ids)
        finally:
            with self.lock:
                self.running -= 1


def test_batches_of_a_call_run_on_all_threads(model_dir: Path) -> None:
    embedder = RecordingEncoder(model_dir / NAME, threads=2)
    with ThreadPoolExecutor(max_workers=1) as threads:
        call = threads.submit(embedder.embed_documents, [LONG] * 5)
        wait_until(lambda: embedder.running == 2)
        embedder.is_open.set()
        assert call.result().shape == (5, 384)
    assert embedder.most_running == 2


def test_batches_of_concurrent_calls_take_turns(model_dir: Path) -> None:
    embedder = RecordingEncoder(model_dir / NAME, threads=1)
    with ThreadPoolExecutor(max_workers=4) as threads:
        calls = [threads.submit(embedder.embed_documents, [LONG] * 5) for _ in range(3)]
        embedder.wait_for(5)
        question = threads.submit(embedder.embed_query, "How?")
        embedder.wait_for(6)
        embedder.is_open.set()
        assert question.result().shape == (384,)
        assert [call.result().shape for call in calls] == [(5, 384)] * 3
    assert embedder.batches == [*[256] * 6, 4, *[256] * 9]
    assert embedder.most_running == 1


def test_no_texts_give_no_vectors(embedder: Embedder, tokenizer: Tokenizer) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.dim)
    assert tokenizer.starts([]) == []


def test_only_the_first_254_tokens_are_embedded(embedder: Embedder, tokenizer: Tokenizer) -> None:
    starts = tokenizer.starts([LONG])[0]
    assert len(starts) > 300
    assert embedder.tokenizer.max_tokens == tokenizer.max_tokens == 254
    cut, shorter = LONG[: starts[254]], LONG[: starts[253]]
    whole = embedder.embed_query(LONG)
    np.testing.assert_allclose(embedder.embed_query(cut), whole, atol=1e-6)
    assert np.abs(embedder.embed_query(shorter) - whole).max() > 1e-4


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("Naïve CAFÉS — 🚀!", [0, 6, 12, 14, 15]),
        ("cafe\u0301s x", [0, 7]),
        ("tokenizers", [0, 5, 9]),
        ("数据库 ok", [0, 1, 2, 4]),
        ("한 a", [0, 0, 0, 2]),
        ("a\x00b\u200bc \r\n\t d", [0, 10]),
        ("x" * 101 + " y", [0, 102]),
        (" \n", []),
        ("", []),
    ],
)
def test_starts_are_offsets_in_the_original_text(tokenizer: Tokenizer, text: str, starts: list[int]) -> None:
    assert tokenizer.starts([text]) == [starts]


@given(st.text())
def test_starts_lie_within_the_text_and_ascend(tokenizer: Tokenizer, text: str) -> None:
    starts = tokenizer.starts([text])[0]
    assert all(0 <= start < len(text) for start in starts)
    assert starts == sorted(starts)


def test_starts_of_many_texts_equal_those_of_each(tokenizer: Tokenizer) -> None:
    texts = ["", "one", LONG, "数据"]
    assert tokenizer.starts(texts) == [tokenizer.starts([text])[0] for text in texts]


@pytest.mark.parametrize("line", ["Naïve CAFÉS — 🚀! cafe\u0301s\r\n", "数据库 ok, tokenizers 한 a\n"])
def test_starts_of_a_long_text_equal_those_of_its_lines(tokenizer: Tokenizer, line: str) -> None:
    count = 4 * GROUP_CHARS // (3 * len(line))
    [of_line] = tokenizer.starts([line])
    found = tokenizer.starts(["short", line * count, "x" * 3 * PIECE_CHARS])
    assert found[1] == [at * len(line) + start for at in range(count) for start in of_line]
    assert found[0] == [0]
    assert found[2] == sorted(found[2]), "a word without an end"


def _run(program: str, *arguments: str) -> Any:
    """Run a program in a fresh interpreter and return the JSON that it prints."""
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_importing_the_registry_imports_nothing_heavy() -> None:
    program = "import headwater.embedding.registry, json, sys; print(json.dumps(sorted(sys.modules)))"
    assert {"numpy", "onnxruntime", "tokenizers"}.isdisjoint(_run(program))


def test_tokenizer_imports_neither_numpy_nor_onnxruntime(model_dir: Path) -> None:
    program = """
import json, sys
from pathlib import Path
from headwater.embedding.registry import load_tokenizer
load_tokenizer("all-MiniLM-L6-v2", Path(sys.argv[1])).starts(["text"])
print(json.dumps(sorted(sys.modules)))
"""
    assert {"numpy", "onnxruntime"}.isdisjoint(_run(program, str(model_dir)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux's /proc")
def test_embedding_many_long_texts_needs_less_than_250_mb(model_dir: Path) -> None:
    program = """
import json, re, sys
from pathlib import Path
from headwater.embedding.registry import load_embedder
load_embedder("all-MiniLM-L6-v2", Path(sys.argv[1])).embed_documents(["word " * 400] * 48)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
    assert _run(program, str(model_dir)) < 250_000


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="sets the thresholds of glibc's malloc")
def test_batches_use_the_memory_that_earlier_ones_freed() -> None:
    program = """
import json, resource, sys
from pathlib import Path
from headwater.embedding.registry import load_embedder
embedder = load_embedder("all-MiniLM-L6-v2-int8", Path(sys.argv[1]), threads=1)
embedder.embed_documents(["word " * 206] * 16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
embedder.embed_documents(["word " * 206] * 16)
print(json.dumps((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 16))
"""
    assert _run(program, str(MODELS)) < 80, "pages that the kernel cleared for each text"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux's /proc")
def test_tokenizing_three_million_characters_needs_less_than_200_mb(model_dir: Path) -> None:
    program = """
import json, re, sys
from pathlib import Path
from headwater.embedding.registry import load_tokenizer
load_tokenizer("all-MiniLM-L6-v2", Path(sys.argv[1])).starts(["a few short words. " * 150_000])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
    assert _run(program, str(model_dir)) < 200_000
