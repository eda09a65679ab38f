"""Models in folders of sentence-transformers: the two that we build, written as such folders, and invalid ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from headwater.config import Settings
from headwater.embedding.registry import Embedders, load_embedder, load_tokenizer, model_dim
from headwater.errors import ConfigError, HeadwaterError
from tests.harness.paths import MODELS

NAME = "all-MiniLM-L6-v2"
TEXTS = ["Hello, world!", "How do I install the compass? " * 60, "", "naïve 🚀 \udcff", "x" * 100_000, "\x00\x01"]
FILES: dict[str, object] = {
    "modules.json": [
        {"type": f"sentence_transformers.models.{kind}"} for kind in ("Transformer", "Pooling", "Normalize")
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True},
    "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": False},
    "config_sentence_transformers.json": {"prompts": {"query": "", "document": ""}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def make_folder(tmp_path: Path) -> Path:
    """Write all-MiniLM-L6-v2 as sentence-transformers exports it: the graph ends with the vectors of the tokens."""
    for name, content in FILES.items():
        write(tmp_path / name, content)
    tokenizer = json.loads((MODELS / NAME / "tokenizer.json").read_text("utf-8"))
    write(tmp_path / "tokenizer.json", tokenizer)
    model = onnx.load(MODELS / NAME / "model.onnx", load_external_data=False)
    [tokens] = [node.input[1] for node in model.graph.node if node.output[0] == "total.row"]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(tokens, onnx.TensorProto.FLOAT, None))
    kept = [node for node in model.graph.node if not node.output[0].startswith(("mask", "total", "embedding"))]
    kept += [node for node in model.graph.node if node.output[0] == "embeddings"]
    del model.graph.node[:]
    model.graph.node.extend(sorted(kept, key=lambda node: node.output[0] != "embeddings"))
    (tmp_path / "onnx").mkdir()
    onnx.save(model, tmp_path / "onnx" / "model.onnx")
    shutil.copy(MODELS / NAME / "weights.bin", tmp_path / "onnx")
    return tmp_path


def write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def test_vectors_are_those_of_the_built_model(folder: Path) -> None:
    name = f"onnx:{folder.as_uri()}"
    model = Embedders(Settings(database_url="unused"))(name)
    expected = load_embedder(NAME, MODELS).embed_documents(TEXTS)
    assert (model.embed_documents(TEXTS) * expected).sum(axis=1).min() > 0.9999
    assert model.embed_query(TEXTS[0]) @ expected[0] > 0.9999
    assert (model_dim(name, Settings(database_url="unused")), model.dim) == (384, 384)
    assert model.tokenizer.max_tokens == load_tokenizer(name, MODELS).max_tokens == 254


def test_prompts_tell_questions_from_documents(folder: Path) -> None:
    write(folder / "config_sentence_transformers.json", {"prompts": {"query": "ask: ", "passage": "text: "}})
    model, built = load_embedder(f"onnx:{folder}", MODELS), load_embedder(NAME, MODELS)
    assert model.embed_query("a") @ built.embed_query("ask: a") > 0.9999
    assert model.embed_documents(["a"])[0] @ built.embed_query("text: a") > 0.9999


def _escape(folder: Path) -> None:
    model = onnx.load(folder / "onnx" / "model.onnx", load_external_data=False)
    (folder / "onnx" / "weights.bin").rename(folder / "weights.bin")
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    onnx.save(model, folder / "onnx" / "model.onnx")


@pytest.mark.parametrize(
    ("poison", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "onnx"), "onnx/model.onnx is missing"),
        (lambda folder: (folder / "onnx" / "model.onnx").write_bytes(b"no graph"), "onnxruntime can't load it"),
        (lambda folder: (folder / "onnx" / "weights.bin").unlink(), "onnxruntime can't load it"),
        (_escape, "onnxruntime can't load it"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: write(folder / "tokenizer.json", {}), "tokenizer.json is invalid"),
        (lambda folder: (folder / "modules.json").write_text("["), "modules.json is not JSON"),
        (lambda folder: write(folder / "modules.json", [{"type": "a.Dense"}]), "the module 'Dense'"),
        (lambda folder: write(folder / "1_Pooling/config.json", {}), "needs one of"),
        (lambda folder: shutil.rmtree(folder / "1_Pooling"), "1_Pooling/config.json is missing"),
        (lambda folder: write(folder / "sentence_bert_config.json", {"max_seq_length": 0}), "an invalid number: 0"),
        (lambda folder: write(folder / "sentence_bert_config.json", {"max_seq_length": 3}), None),
        (
            lambda folder: write(
                folder / "1_Pooling/config.json", {"word_embedding_dimension": 383, "pooling_mode_cls_token": True}
            ),
            "no vectors of the length 383",
        ),
    ],
)
def test_unusable_folder_is_reported_with_the_file(
    folder: Path, poison: Callable[[Path], object], words: str | None
) -> None:
    poison(folder)
    if words is None:
        assert np.isfinite(load_embedder(f"onnx:{folder}", MODELS).embed_query("a long text")).all()
        return
    with pytest.raises(HeadwaterError, match=words) as raised:
        load_embedder(f"onnx:{folder}", MODELS).embed_query("a")
    assert str(folder) in str(raised.value)
    assert isinstance(raised.value, ConfigError) or "length" in words
