"""Build a model's folder.

DIR/all-MiniLM-L6-v2/
    model.onnx        the encoder, mean pooling and L2 normalisation; a few kilobytes
    weights.bin       its tensors; memory-mapped, so processes share them and start fast
    tokenizer.json    WordPiece, without truncation and padding; the multilingual model has vocabulary.* instead
    manifest.json     what it was built from; a folder with the current manifest is not rebuilt
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from headwater.embedding.export import e5, minilm
from headwater.embedding.export.graph import Activation, Encoder, write_encoder

ACTIVATIONS = Path(__file__).with_name("activations.json")
"""Written by `bench/calibrate.py`."""

INT8 = "-int8"
"""Ends the name of an int8 model, after the name of the fp32 model of its weights."""


@dataclass(frozen=True)
class Recipe:
    """How a model is built."""

    name: str
    find_weights: Callable[[], Path]
    read_encoder: Callable[[str, Path], Encoder]
    write_tokenizer: Callable[[Path, Path], None]
    sha256: Mapping[str, str]
    build: int = 4
    """Increment it when the files made from the same weights change."""

    @property
    def manifest(self) -> dict[str, object]:
        """The content of `manifest.json`."""
        manifest = {"model": self.name, "build": self.build, **self.sha256}
        if self.name.endswith(INT8):
            manifest["activations_sha256"] = hashlib.sha256(ACTIVATIONS.read_bytes()).hexdigest()
        return manifest

    def read(self, weights: Path) -> Encoder:
        """Read the weights, for an int8 model with the activations by which it is quantized."""
        encoder = self.read_encoder(self.name, weights)
        if not self.name.endswith(INT8):
            return encoder
        activations = json.loads(ACTIVATIONS.read_bytes())[self.name.removesuffix(INT8)]
        return replace(encoder, activations={name: Activation(**row) for name, row in activations.items()})


_MINILM_SHA256 = {"weights_sha256": minilm.WEIGHTS_SHA256, "tokenizer_sha256": minilm.TOKENIZER_SHA256}
_MINILM = (minilm.find_weights, minilm.read_encoder, minilm.write_tokenizer, _MINILM_SHA256)
_E5 = (e5.find_weights, e5.read_encoder, e5.write_tokenizer, {"weights_sha256": e5.WEIGHTS_SHA256})
RECIPES = {
    name: Recipe(name, *parts)
    for base, parts in {"all-MiniLM-L6-v2": _MINILM, "multilingual-e5-small": _E5}.items()
    for name in (base, base + INT8)
}


def build(model_dir: Path, name: str, weights: Path | None = None) -> bool:
    """Build a model's folder in `model_dir` unless it is current. Returns True if it was built.

    `weights` is the folder of the published weights, by default the installed package's. The folder is renamed into
    place when complete. Raises ConfigError if the weights are missing or differ.
    """
    recipe = RECIPES[name]
    target = model_dir / name
    if _is_current(target, recipe):
        return False
    weights = weights or recipe.find_weights()
    encoder = recipe.read(weights)
    model_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir, prefix=".building-") as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()
        write_encoder(encoder, fresh)
        recipe.write_tokenizer(weights, fresh)
        (fresh / "manifest.json").write_text(json.dumps(recipe.manifest, indent=2) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch, "stale"))
        fresh.rename(target)
    return True


def _is_current(folder: Path, recipe: Recipe) -> bool:
    """Return True if the folder has the current build. The manifest appears together with the other files."""
    manifest = folder / "manifest.json"
    return manifest.exists() and json.loads(manifest.read_bytes()) == recipe.manifest
