"""Measure embedded texts per second, compared with naive batching.

    python -m bench.embedder

Two loads: texts of 208 tokens each (a full chunk), and texts of 8 to 256 tokens in random order (sections, notes,
titles). Measures all-MiniLM-L6-v2, then all models with the same texts. The comparison runs the same graph in the same
onnxruntime with 32 texts per batch in the given order, padded to the longest, and with default session options.
"""

import argparse
import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from headwater.embedding.export.build import build
from headwater.embedding.local.encoder import EncoderTokenizer
from headwater.embedding.local.models import ENCODERS, MINILM
from headwater.embedding.registry import load_embedder, load_tokenizer

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

PARAGRAPH = """A queue hands each of its tasks to a worker at least once. The worker answers with success, or the queue
tries again after a pause that doubles until it reaches its limit; so every step of the worker must be safe to run
twice. Write down what was decided before acting on it, give every action a name, and let the second attempt find the
first. """


def make_texts(lengths: Sequence[int], model_dir: Path) -> list[str]:
    """Return a text for each length, in tokens of the model including [CLS] and [SEP]."""
    text = PARAGRAPH * 5
    starts = load_tokenizer(MINILM.name, model_dir).starts([text])[0]
    return [text[: starts[length - 2]].rstrip() for length in lengths]


def naive_embedder(model_dir: Path) -> Embed:
    """Load the embedder with naive batching."""
    session = onnxruntime.InferenceSession(model_dir / MINILM.name / "model.onnx", providers=["CPUExecutionProvider"])
    tokenizer = EncoderTokenizer(MINILM, model_dir / MINILM.name)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = []
        for start in range(0, len(texts), 32):
            ids = tokenizer.inputs(texts[start : start + 32])
            padded, mask = np.zeros((2, len(ids), max(map(len, ids))), np.int32)
            for row, text_ids in enumerate(ids):
                padded[row, : len(text_ids)] = text_ids
                mask[row, : len(text_ids)] = 1
            vectors.append(session.run(None, {"input_ids": padded, "attention_mask": mask})[0])
        return np.concatenate(vectors)

    return embed


def texts_per_s(embed: Embed, texts: Sequence[str]) -> float:
    """Return texts per second of one pass."""
    start = time.perf_counter()
    embed(texts)
    return len(texts) / (time.perf_counter() - start)


def compare(label: str, ours: Embed, peer: Embed, texts: Sequence[str], rounds: int) -> None:
    """Print the best rates of alternating rounds, and their ratio."""
    assert (ours(texts) * peer(texts)).sum(axis=1).min() > 0.9999, "the two embedders disagree"
    rates = [(texts_per_s(ours, texts), texts_per_s(peer, texts)) for _ in range(rounds)]
    our_rate, peer_rate = map(max, zip(*rates, strict=True))
    print(
        f"{label:<20}{our_rate:6.1f} texts/s, naive batches {peer_rate:6.1f} texts/s, ratio {our_rate / peer_rate:.2f}"
    )


def compare_models(label: str, models: Mapping[str, Embed], texts: Sequence[str], rounds: int) -> None:
    """Print each model's best rate of alternating rounds, and its ratio to the first model's."""
    rates = dict.fromkeys(models, 0.0)
    for _ in range(rounds):
        for name, embed in models.items():
            rates[name] = max(rates[name], texts_per_s(embed, texts))
    first = next(iter(rates.values()))
    for name, rate in rates.items():
        print(f"{label:<20}{name:<28}{rate:6.1f} texts/s, {rate / first:.2f} times the first model's")


def main() -> None:
    """Load, measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.embedder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model-dir",
        type=Path,
        default=Path(".headwater/models"),
        help="models are built if they are missing; default: .headwater/models",
    )
    parser.add_argument("--texts", type=int, default=64, help="texts per load; default: 64")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    options = parser.parse_args()
    for name in ENCODERS:
        build(options.model_dir, name)

    start = time.perf_counter()
    embedder = load_embedder(MINILM.name, options.model_dir)
    print(f"loaded in {time.perf_counter() - start:.2f} s")
    full = make_texts([208] * options.texts, options.model_dir)
    lengths = random.Random(1).choices(range(8, 257), k=options.texts)
    mixed = make_texts(lengths, options.model_dir)
    embedder.embed_documents(full + mixed)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:.0f} MB, before the naive embedder is loaded")

    peer = naive_embedder(options.model_dir)
    compare("208 tokens", embedder.embed_documents, peer, full, options.rounds)
    compare("8 to 256 tokens", embedder.embed_documents, peer, mixed, options.rounds)
    models = {name: load_embedder(name, options.model_dir).embed_documents for name in ENCODERS}
    compare_models("208 tokens", models, full, options.rounds)
    compare_models("8 to 256 tokens", models, mixed, options.rounds)
    constant = load_embedder("constant", options.model_dir)
    print(f"{'constant model':<20}{texts_per_s(constant.embed_documents, full * 100):6.0f} texts/s")


if __name__ == "__main__":
    main()
