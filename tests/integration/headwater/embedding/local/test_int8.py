"""The int8 models, against the fp32 models of the same weights."""

import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest

from headwater.embedding.base import Embedder
from headwater.embedding.registry import load_embedder
from tests.harness.paths import DATA, MODELS

LANGUAGES = [entry["text"] for entry in json.loads((DATA / "e5_golden.json").read_text("utf-8"))["entries"]]
ENGLISH = [text for text in LANGUAGES if text.isascii()]
MODELS_AND_TEXTS = {"all-MiniLM-L6-v2": ENGLISH, "multilingual-e5-small": LANGUAGES}


@pytest.fixture(scope="module", params=MODELS_AND_TEXTS)
def name(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture(scope="module")
def int8(name: str) -> Embedder:
    return load_embedder(f"{name}-int8", MODELS)


def test_vectors_are_close_to_those_of_fp32(name: str, int8: Embedder) -> None:
    texts = [
        *MODELS_AND_TEXTS[name],
        "A task that is delivered twice must have the effect of one. " * 40,
        "x",
        "?" * 300,
    ]
    cosines = (int8.embed_documents(texts) * load_embedder(name, MODELS).embed_documents(texts)).sum(axis=1)
    assert cosines.min() > {"all-MiniLM-L6-v2": 0.95, "multilingual-e5-small": 0.99}[name]
    assert np.median(cosines) > 0.99


def test_vector_is_the_same_alone_and_in_any_batch(name: str, int8: Embedder) -> None:
    texts = [*MODELS_AND_TEXTS[name], *(f"{word} " * count for word, count in [("word", 3), ("Task!", 70), ("a", 400)])]
    alone = np.concatenate([int8.embed_documents([text]) for text in texts])
    for seed in range(3):
        order = random.Random(seed).sample(range(len(texts)), len(texts))
        together = int8.embed_documents([texts[index] for index in order])
        np.testing.assert_allclose(together, alone[order], atol=1e-6)


def test_graph_has_no_scale_that_depends_on_a_batch(name: str) -> None:
    graph = onnx.load(Path(MODELS, f"{name}-int8", "model.onnx"), load_external_data=False).graph
    operators = {node.op_type for node in graph.node}
    assert {"MatMulIntegerToFloat", "QuantizeLinear"} <= operators
    assert not any(operator.startswith("Dynamic") for operator in operators)
