"""Measure embedded texts per second, compared with naive batching, and with sentence-transformers on torch.

    python -m bench.embedder [--torch PYTHON]

Three loads: texts of 208 tokens each (a full chunk), texts of 8 to 256 tokens (sections, notes, titles), and texts as
long as the chunks of real documents, the last two in random order. Measures all-MiniLM-L6-v2, then all models with the
same texts. The comparison runs the same graph in the same onnxruntime with 32 texts per batch in the given order,
padded to the longest, and with default session options.

torch is too large for this environment. To compare with it, give the Python of another one:

    python -m venv /tmp/torch && /tmp/torch/bin/pip install sentence-transformers==6.2.0
    scripts/bench embedder --torch /tmp/torch/bin/python
"""

import argparse
import base64
import json
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from headwater.embedding.base import Embedder
from headwater.embedding.export import minilm
from headwater.embedding.export.build import build
from headwater.embedding.local.encoder import EncoderTokenizer
from headwater.embedding.local.models import ENCODERS, MINILM
from headwater.embedding.registry import load_embedder, load_tokenizer

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

ROOT = Path(__file__).resolve().parent.parent
PAUSE_S = 0.5
"""Before each measurement. The threads of torch spin for a while after their last batch."""

CHUNK_DECILES = (25, 97, 122, 139, 154, 166, 178, 189, 200, 217, 256)
"""Lengths of chunks, in tokens of the model including [CLS] and [SEP]: the smallest, the deciles and the largest of
10,002 chunks of random pages of the C++ documentation (MicrosoftDocs/cpp-docs, 9,745 pages)."""

PARAGRAPH = """A queue hands each of its tasks to a worker at least once. The worker answers with success, or the queue
tries again after a pause that doubles until it reaches its limit; so every step of the worker must be safe to run
twice. Write down what was decided before acting on it, give every action a name, and let the second attempt find the
first. """


def make_texts(lengths: Sequence[int], model_dir: Path) -> list[str]:
    """Return a text for each length, in tokens of the model including [CLS] and [SEP]."""
    text = PARAGRAPH * 5
    starts = load_tokenizer(MINILM.name, model_dir).starts([text])[0]
    return [text[: starts[length - 2]].rstrip() for length in lengths]


def make_loads(count: int, model_dir: Path) -> dict[str, list[str]]:
    """Return the texts of each load, by its name."""
    chosen = random.Random(1)
    lengths = {
        "208 tokens": [208] * count,
        "8 to 256 tokens": chosen.choices(range(8, 257), k=count),
        "chunks": [chosen.randint(*decile) for decile in chosen.choices([*pairwise(CHUNK_DECILES)], k=count)],
    }
    return {name: make_texts(numbers, model_dir) for name, numbers in lengths.items()}


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


@contextmanager
def torch_embedder(python: str) -> Iterator[Embed]:
    """Run all-MiniLM-L6-v2 with sentence-transformers in a process of another Python, from the same weights."""
    command = [python, str(ROOT / "bench" / "torch_peer.py"), str(minilm.find_weights())]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        print(json.dumps([*texts]), file=requests, flush=True)
        return np.frombuffer(base64.b64decode(answers.readline()), np.float32).reshape(len(texts), MINILM.dim)

    try:
        yield embed
    finally:
        requests.close()
        process.wait(60)


def texts_per_s(embed: Embed, texts: Sequence[str]) -> float:
    """Return texts per second of one pass."""
    time.sleep(PAUSE_S)
    start = time.perf_counter()
    embed(texts)
    return len(texts) / (time.perf_counter() - start)


def question_ms(embedder: Embedder) -> float:
    """Return the median milliseconds of a question."""
    times_ms = []
    for _ in range(20):
        start = time.perf_counter()
        embedder.embed_query("How do I change the retry policy of a queue?")
        times_ms.append((time.perf_counter() - start) * 1000)
    return statistics.median(times_ms)


def compare(label: str, ours: Embed, peer: Embed, texts: Sequence[str], rounds: int) -> None:
    """Print the best rates of alternating rounds, and their ratio."""
    assert (ours(texts) * peer(texts)).sum(axis=1).min() > 0.9999, "the two embedders disagree"
    rates = [(texts_per_s(ours, texts), texts_per_s(peer, texts)) for _ in range(rounds)]
    our_rate, peer_rate = map(max, zip(*rates, strict=True))
    print(
        f"{label:<20}{our_rate:6.1f} texts/s, naive batches {peer_rate:6.1f} texts/s, ratio {our_rate / peer_rate:.2f}"
    )


def compare_models(label: str, models: Mapping[str, Embed], texts: Sequence[str], rounds: int) -> None:
    """Print each model's best and median rate of alternating rounds, and the ratio of its best to the first model's."""
    rates: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, embed in models.items():
            rates[name].append(texts_per_s(embed, texts))
    first = max(next(iter(rates.values())))
    for name, measured in rates.items():
        best, median = max(measured), statistics.median(measured)
        print(f"{label:<18}{name:<28}{best:6.1f} texts/s ({median:.1f}), {best / first:.2f} × the first", flush=True)


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
    parser.add_argument("--torch", metavar="PYTHON", help="a Python with sentence-transformers, to compare with")
    options = parser.parse_args()
    for name in ENCODERS:
        build(options.model_dir, name)

    start = time.perf_counter()
    embedder = load_embedder(MINILM.name, options.model_dir)
    print(f"loaded in {time.perf_counter() - start:.2f} s")
    loads = make_loads(options.texts, options.model_dir)
    for texts in loads.values():
        embedder.embed_documents(texts)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak_mb:.0f} MB, before the naive embedder is loaded")

    peer = naive_embedder(options.model_dir)
    for label, texts in loads.items():
        compare(label, embedder.embed_documents, peer, texts, options.rounds)
    models: dict[str, Embed] = {name: load_embedder(name, options.model_dir).embed_documents for name in ENCODERS}
    with torch_embedder(options.torch) if options.torch else nullcontext() as torch:
        if torch:
            models = {"sentence-transformers, torch": torch, **models}
        for label, texts in loads.items():
            if torch:
                assert (torch(texts) * embedder.embed_documents(texts)).sum(axis=1).min() > 0.9999
            compare_models(label, models, texts, options.rounds)
    for name in ENCODERS:
        print(f"{name:<28}{question_ms(load_embedder(name, options.model_dir)):6.1f} ms for a question, median")
    constant = load_embedder("constant", options.model_dir)
    print(f"{'constant model':<20}{texts_per_s(constant.embed_documents, loads['chunks'] * 100):6.0f} texts/s")


if __name__ == "__main__":
    main()
