"""Embed with sentence-transformers (torch), for `bench.embedder`.

    PYTHON bench/torch_peer.py FOLDER

Run by a Python that has sentence-transformers and none of our packages. Loads the model in a folder, with the
library's defaults, on the CPU. Reads a JSON array of texts a line, and prints their vectors, float32 in base64.
"""

import base64
import json
import sys

from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]


def main() -> None:
    """Answer lines until the input ends."""
    model = SentenceTransformer(sys.argv[1], device="cpu")
    for line in sys.stdin:
        vectors = model.encode(json.loads(line), normalize_embeddings=True)
        print(base64.b64encode(vectors.tobytes()).decode(), flush=True)


if __name__ == "__main__":
    main()
