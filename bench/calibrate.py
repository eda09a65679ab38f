"""Measure the activations of the encoders, by which their int8 models are quantized.

    python -m bench.calibrate

Writes `shared/headwater/embedding/export/activations.json`. Run it when a model is added: other activations give other
vectors, so a new file is a new build of each int8 model. The texts are `bench/calibration.txt` in 25 languages, and
this repository's documentation and code; none is from a set that retrieval is measured with.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from headwater.embedding.export.build import build
from headwater.embedding.local.encoder import EncoderSpec, EncoderTokenizer
from headwater.embedding.local.models import E5, MINILM

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "shared" / "headwater" / "embedding" / "export" / "activations.json"
PASSAGE_CHARS = 900
PASSAGES_OF_A_FILE = 3

SHARES = {"gelu": 0.8, "out": 0.6, "embeddings": 0.6}
"""How much of a column's size is moved to the matrix (SmoothQuant's alpha), by the end of the node's name. Chosen by
the cosines of int8 and fp32 vectors; the outputs of attention have no large columns."""


def make_texts() -> list[str]:
    """Return the texts to measure."""
    texts = (ROOT / "bench" / "calibration.txt").read_text("utf-8").splitlines()
    for pattern in ("docs/*.md", "shared/headwater/embedding/**/*.py", "edge/worker/*.ts"):
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text("utf-8")
            starts = range(0, len(text), PASSAGE_CHARS)[:PASSAGES_OF_A_FILE]
            texts += [text[start : start + PASSAGE_CHARS] for start in starts]
    return texts


def measure(spec: EncoderSpec, texts: list[str], folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the smallest and largest number of each column, by the node that computes it: 2 × columns."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    names = sorted({node.input[0] for node in model.graph.node if node.op_type == "MatMul"} - {"mask.row"})
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    onnx.save(model, folder / "measured.onnx")
    session = onnxruntime.InferenceSession(folder / "measured.onnx", providers=["CPUExecutionProvider"])
    ranges: dict[str, NDArray[np.float32]] = {}
    for ids in inputs(spec, texts, folder):
        batch = np.array([ids], np.int32)
        outputs = session.run(names, {"input_ids": batch, "attention_mask": np.ones_like(batch)})
        for name, output in zip(names, outputs, strict=True):
            low, high = output[0].min(axis=0), output[0].max(axis=0)
            before = ranges.get(name, np.array([low, high]))
            ranges[name] = np.array([np.minimum(before[0], low), np.maximum(before[1], high)])
    return ranges


def inputs(spec: EncoderSpec, texts: list[str], folder: Path) -> Iterator[list[int]]:
    """Yield each text's tokens, as a question and as a document."""
    tokenizer = EncoderTokenizer(spec, folder)
    for prefix in sorted({spec.query_prefix, spec.document_prefix}):
        yield from tokenizer.inputs(texts, prefix)


def describe(name: str, ranges: NDArray[np.float32]) -> dict[str, Any]:
    """Return an activation's row of the file. Columns below the median aren't enlarged."""
    share = SHARES.get(name.rpartition(".")[2])
    if share is None:
        return {"low": float(ranges[0].min()), "high": float(ranges[1].max())}
    sizes = np.abs(ranges).max(axis=0)
    factors = np.maximum(sizes, np.median(sizes)) ** share
    exponents = np.rint(np.log2(factors / np.exp(np.log(factors).mean()))).astype(int)
    smooth = ranges / 2.0**exponents
    letters = "".join(chr(ord("m") + exponent) for exponent in exponents)
    return {"low": float(smooth[0].min()), "high": float(smooth[1].max()), "exponents": letters}


def main() -> None:
    """Measure the fp32 models and write the file."""
    texts = make_texts()
    activations = {}
    for spec in (MINILM, E5):
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder), spec.name)
            ranges = measure(spec, texts, Path(folder, spec.name))
        activations[spec.name] = {name: describe(name, columns) for name, columns in ranges.items()}
    OUTPUT.write_text(json.dumps(activations, indent=1) + "\n", encoding="utf-8")
    print(f"{OUTPUT.relative_to(ROOT)}: {len(texts)} texts")


if __name__ == "__main__":
    main()
