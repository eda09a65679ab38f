"""An ONNX graph with its tensors in a separate file, and the BERT encoder as such a graph, in fp32 or int8.

Devlin et al. 2019, https://arxiv.org/abs/1810.04805. The graph uses onnxruntime's fused operators (`com.microsoft`)
directly, instead of relying on an optimiser to find them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS_FILE = "weights.bin"

_FUSED = "com.microsoft"
_PAGE = 4096  # tensors are page-aligned, so that mapping copies nothing
_EPSILON = 1e-12  # BERT's layer_norm_eps
_MAX_WEIGHT, _LEVELS = 85, 192
"""Largest int8 weight, and the steps between the smallest and the largest activation. Processors with AVX2 but without
VNNI sum two products in 16 bits, and 2 × 85 × 192 < 2¹⁵. With full 8 bits, they would give other vectors."""


@dataclass(frozen=True)
class Blocks:
    """A matrix of 4-bit numbers: `(nibble - 8) × scale`, a scale for every 32 numbers of a row."""

    nibbles: "NDArray[Any]"
    """uint8, rows × columns."""

    scales: "NDArray[Any]"
    """float32, rows × columns / 32."""

    def dense(self) -> "NDArray[Any]":
        """Return the numbers: float32, rows × columns."""
        numbers: NDArray[Any] = (self.nibbles.astype("f4") - 8) * self.scales.repeat(32, axis=1)
        return numbers


@dataclass(frozen=True)
class Activation:
    """The numbers that a matrix is multiplied with, in texts of many kinds (`bench/calibrate.py`).

    A few of their columns are up to a hundred times as large as the others. Those are divided by powers of two, and the
    matrix' rows multiplied: SmoothQuant, Xiao et al. 2023, https://arxiv.org/abs/2211.10438.
    """

    low: float
    high: float
    """The smallest and the largest number, after the division."""

    exponents: str = ""
    """For each column the power of two, as a letter: m is 0, n is 1. Empty for a matrix without such columns."""

    def factors(self) -> "NDArray[Any]":
        """Return the powers of two: float32, one for each column."""
        import numpy as np

        return np.array([2.0 ** (ord(letter) - ord("m")) for letter in self.exponents], np.float32)


@dataclass(frozen=True)
class Encoder:
    """A BERT checkpoint: tensors by their names in it, or `Blocks` for the word embeddings."""

    name: str
    tensors: Mapping[str, Any]
    layers: int
    heads: int
    dim: int
    positions: int
    activations: Mapping[str, Activation] | None = None
    """For an int8 model: of each matrix, by the node that computes them."""


class Graph:
    """Builds an ONNX graph. Tensors are appended to the weights file."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._file = folder / WEIGHTS_FILE
        self._file.touch()

    def weight(self, name: str, array: "NDArray[Any]") -> str:
        """Append a tensor (float32, float16, int8 or uint8) to the weights file and return its name in the graph."""
        from onnx import TensorProto, helper

        data = array.astype(array.dtype.newbyteorder("<"), order="C").tobytes()
        with self._file.open("ab") as file:
            file.write(bytes(-file.tell() % _PAGE))
            location = {"location": self._file.name, "offset": file.tell(), "length": len(data)}
            file.write(data)
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in location.items():
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
        return name

    def constant(self, name: str, value: "NDArray[Any]") -> str:
        """Put a small tensor into the graph itself."""
        from onnx import numpy_helper

        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def node(self, operator: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        """Append an operator and return the name of its (first) output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def fused(self, operator: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Append an operator of onnxruntime's own."""
        return self.node(operator, inputs, *outputs, domain=_FUSED, **attributes)


class _Writer:
    """Appends the parts of an encoder to a graph."""

    def __init__(self, encoder: Encoder, graph: Graph) -> None:
        self.encoder = encoder
        self.graph = graph
        self.quantized: set[str] = set()

    def tensor(self, name: str) -> str:
        return self.graph.weight(name, self.encoder.tensors[name])

    def embeddings(self) -> str:
        """Append the sum of word, position and segment embeddings with LayerNorm."""
        graph, tensors = self.graph, self.encoder.tensors
        # A single text is all segment 0, so the segment embedding is a constant; it is added to the positions.
        positions = tensors["embeddings.position_embeddings.weight"][: self.encoder.positions]
        positions = positions + tensors["embeddings.token_type_embeddings.weight"][0]
        words = tensors["embeddings.word_embeddings.weight"]
        if not isinstance(words, Blocks):
            inputs = ["input_ids", "", graph.weight("words", words), graph.weight("positions", positions), ""]
            inputs += [self.tensor(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
            outputs = ["embeddings", "embeddings.mask"]  # the second output is unused but mandatory
            return graph.fused("EmbedLayerNormalization", inputs, *outputs, epsilon=_EPSILON)
        return self.block_embeddings(words, positions)

    def block_embeddings(self, words: Blocks, positions: "NDArray[Any]") -> str:
        """Append the same for word embeddings of 4 bits, which are expanded when they are looked up."""
        import numpy as np

        graph = self.graph
        packed = words.nibbles[:, 0::2] | words.nibbles[:, 1::2] << 4
        inputs = [graph.weight("words", packed), "input_ids", graph.weight("words.scales", words.scales)]
        attributes = {"bits": 4, "block_size": 32, "gather_axis": 0, "quantize_axis": 1}
        word = graph.fused("GatherBlockQuantized", inputs, "word", **attributes)
        length = graph.node("Shape", ["input_ids"], "length", start=1)
        first = graph.constant("first", np.array([0]))
        position = graph.node("Slice", [graph.weight("positions", positions), first, length, first], "position")
        total = graph.node("Add", [word, position], "word.position")
        norm = [self.tensor(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
        return graph.node("LayerNormalization", [total, *norm], "embeddings", axis=-1, epsilon=_EPSILON)

    def layer(self, prefix: str, x: str) -> str:
        """Append one layer: self-attention and feed-forward network, each with residual connection and LayerNorm."""
        attended = self.attention(f"{prefix}.attention", x)
        projected = self.linear(attended, f"{prefix}.attention.output.dense")
        x = self.layer_norm(projected, x, f"{prefix}.attention.output")
        wide = self.linear(x, f"{prefix}.intermediate.dense")
        wide = self.graph.fused("Gelu", [wide], f"{prefix}.gelu")
        narrow = self.linear(wide, f"{prefix}.output.dense")
        return self.layer_norm(narrow, x, f"{prefix}.output")

    def attention(self, prefix: str, x: str) -> str:
        """Append self-attention to the tokens of the same text."""
        heads = self.encoder.heads
        projected = [self.linear(x, f"{prefix}.self.{part}") for part in ("query", "key", "value")]
        inputs = [*projected, "", "", "", "lengths"]
        return self.graph.node("Attention", inputs, prefix, q_num_heads=heads, kv_num_heads=heads)

    def lengths(self) -> str:
        """Append the number of each text's tokens. The tokens after them are padding."""
        import numpy as np
        from onnx import TensorProto

        axis = self.graph.constant("tokens", np.array([1]))
        total = self.graph.node("ReduceSum", ["attention_mask", axis], "lengths.int32", keepdims=0)
        return self.graph.node("Cast", [total], "lengths", to=TensorProto.INT64)

    def linear(self, x: str, name: str) -> str:
        """Append a multiplication and a bias; the checkpoint's weights are out × in, ONNX needs in × out."""
        import numpy as np

        graph, activations = self.graph, self.encoder.activations
        kernel, bias = self.encoder.tensors[f"{name}.weight"].T, self.tensor(f"{name}.bias")
        if activations is None:
            product = graph.node("MatMul", [x, graph.weight(f"{name}.weight", kernel)], f"{name}.product")
            return graph.node("Add", [product, bias], name)
        quantized, scale, zero = self.quantize(x, activations[x])
        if activations[x].exponents:
            kernel = kernel * activations[x].factors()[:, None]
        weight_scales = (np.abs(kernel).max(axis=0) / _MAX_WEIGHT).astype(np.float32)  # one for each column
        weight = graph.weight(f"{name}.weight", np.rint(kernel / weight_scales).astype(np.int8))
        inputs = [quantized, weight, scale, graph.weight(f"{name}.scales", weight_scales), zero, "", bias]
        return graph.fused("MatMulIntegerToFloat", inputs, name)

    def quantize(self, x: str, activation: Activation) -> tuple[str, str, str]:
        """Append the conversion of `x` to uint8, once for all matrices; return it, its scale and its zero.

        The scale is fixed when the model is built: one for each batch would make a vector depend on its batch.
        """
        import numpy as np

        graph, names = self.graph, (f"{x}.quantized", f"{x}.scale", f"{x}.zero")
        if x in self.quantized:
            return names
        self.quantized.add(x)
        scale = (activation.high - activation.low) / _LEVELS
        graph.constant(names[1], np.array(scale, np.float32))
        graph.constant(names[2], np.array(round(-activation.low / scale), np.uint8))
        if activation.exponents:
            x = graph.node("Mul", [x, graph.constant(f"{x}.factors", 1 / activation.factors())], f"{x}.smooth")
        graph.node("QuantizeLinear", [x, *names[1:]], names[0])
        return names

    def layer_norm(self, x: str, residual: str, name: str) -> str:
        """Append LayerNorm(x + residual)."""
        # onnxruntime's SkipLayerNormalization does both, and takes five times as long on a CPU.
        graph, norm = self.graph, [self.tensor(f"{name}.LayerNorm.{part}") for part in ("weight", "bias")]
        total = graph.node("Add", [x, residual], f"{name}.total")
        return graph.node("LayerNormalization", [total, *norm], f"{name}.LayerNorm.out", axis=-1, epsilon=_EPSILON)

    def mean_pool(self, x: str) -> str:
        """Append mean pooling and L2 normalisation: the sum suffices, since normalisation cancels the division."""
        import numpy as np
        from onnx import TensorProto

        middle = self.graph.constant("middle", np.array([1]))
        mask = self.graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        row = self.graph.node("Unsqueeze", [mask, middle], "mask.row")
        total = self.graph.node("MatMul", [row, x], "total.row")
        total = self.graph.node("Squeeze", [total, middle], "total")
        return self.graph.node("LpNormalization", [total], "embedding", axis=-1, p=2)


def write_encoder(encoder: Encoder, folder: Path) -> None:
    """Write `model.onnx` and `weights.bin`.

    Inputs `input_ids`, `attention_mask`: int32, texts × tokens, padded on the right. Output `embedding`: float32,
    texts × dim, unit length.
    """
    from onnx import TensorProto, helper

    writer = _Writer(encoder, Graph(folder))
    writer.lengths()
    x = writer.embeddings()
    for layer in range(encoder.layers):
        x = writer.layer(f"encoder.layer.{layer}", x)
    output = writer.mean_pool(x)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT32, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["texts", encoder.dim])]
    versions = [helper.make_opsetid("", 24), helper.make_opsetid(_FUSED, 1)]
    body = helper.make_graph(writer.graph.nodes, encoder.name, inputs, outputs, writer.graph.tensors)
    model = helper.make_model(body, opset_imports=versions, ir_version=10, producer_name="headwater")
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
