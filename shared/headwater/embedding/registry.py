"""Load embedding models and tokenizers by name.

Collection counts tokens with a `Tokenizer`, embedding turns chunks into vectors, chat embeds questions. Importing this
module loads neither numpy nor onnxruntime; `load_tokenizer` and `load_embedder` do.
"""

import threading
from pathlib import Path

from headwater import logs
from headwater.config import Settings
from headwater.embedding import constant
from headwater.embedding.base import Embedder, Tokenizer
from headwater.embedding.hosted.embedder import HostedEmbedder, known_dim
from headwater.embedding.hosted.providers import MAX_DIM, PROVIDERS, is_hosted
from headwater.embedding.local import folder
from headwater.embedding.local.encoder import Encoder, EncoderTokenizer
from headwater.embedding.local.models import ENCODERS
from headwater.errors import ConfigError

MODELS = {name: spec.dim for name, spec in ENCODERS.items()} | {constant.NAME: constant.DIM}
"""Models that run in this process, with the length of their vectors."""


DEFAULT = "multilingual-e5-small-int8"
"""The model of new installations. Reasons: docs/decisions/0027."""


def load_tokenizer(name: str, model_dir: Path) -> Tokenizer:
    """Load a model's tokenizer; costs a fraction of loading the model.

    Hosted models get the WordTokenizer, as their own tokenizers can't be downloaded.
    Raises ConfigError if the name is unknown or `model_dir` lacks the model.
    """
    if is_hosted(name):
        return constant.WordTokenizer()
    if name.startswith(folder.PREFIX):
        return folder.FolderTokenizer(folder.Folder(name))
    _check(name)
    if name == constant.NAME:
        return constant.WordTokenizer()
    return EncoderTokenizer(ENCODERS[name], model_dir / name)


def load_embedder(name: str, model_dir: Path, *, threads: int | None = None) -> Embedder:
    """Load a model that runs in this process; `threads` batches run at a time, by default one for each core.

    Raises ConfigError if the name is unknown or `model_dir` lacks the model.
    """
    if name.startswith(folder.PREFIX):
        return folder.FolderEmbedder(name, threads=threads)
    _check(name)
    if name == constant.NAME:
        return constant.ConstantEmbedder()
    return Encoder(ENCODERS[name], model_dir / name, threads=threads)


class Embedders:
    """A process's models, each loaded once on first use. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def __call__(self, name: str) -> Embedder:
        """Return a model, loading it on first use; raises ConfigError if it is missing."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]

    def _load(self, name: str) -> Embedder:
        model_dir = self._settings.model_dir
        if is_hosted(name):
            return HostedEmbedder(name, self._settings)
        return load_embedder(name, model_dir)

    def warm(self, name: str) -> None:
        """Start loading a model on a thread, in parallel with the first request.

        The thread is not a daemon: a thread stopped inside onnxruntime would abort the process by `terminate`.
        """
        threading.Thread(target=self._warm, args=(name,), name="warm").start()

    def _warm(self, name: str) -> None:
        try:
            self(name)
        except ConfigError as error:  # the first request that needs the model gets the same error
            logs.event("embedder.missing", severity=30, error=error)


def check_model(name: str, settings: Settings) -> None:
    """Raise ConfigError for an unknown name, or if a setting or file of the model is missing. Asks no provider."""
    if is_hosted(name):
        HostedEmbedder(name, settings)
    else:
        model_dim(name, settings)


def dim_without_asking(name: str, settings: Settings) -> int | None:
    """Return the length of a model's vectors; None for a hosted model if it is neither set nor known."""
    return known_dim(name, settings) if is_hosted(name) else model_dim(name, settings)


def model_dim(name: str, settings: Settings) -> int:
    """Return the length of a model's vectors without loading it. Asks a hosted model for a vector if it is not known.

    Raises ConfigError for an unknown name or a missing setting, and the errors of the provider.
    """
    if is_hosted(name):
        return known_dim(name, settings) or HostedEmbedder(name, settings).dim
    if name.startswith(folder.PREFIX):
        return folder.Folder(name).dim
    _check(name)
    return MODELS[name]


def known_languages(name: str | None) -> list[str] | None:
    """Return the languages (ISO 639 codes) whose texts a model can compare; None for every language."""
    spec = ENCODERS.get(name or "")
    return list(spec.languages) if spec and spec.languages else None


def _check(name: str) -> None:
    if name.partition(":")[0] in PROVIDERS:
        raise ConfigError(
            f"{name!r} is not the name of a provider's model. Write PROVIDER:MODEL, or PROVIDER:MODEL#LENGTH "
            f"with a length of vectors from 1 to {MAX_DIM:,}."
        )
    if name not in MODELS:
        raise ConfigError(
            f"Unknown embedding model {name!r}. Choose one of {', '.join(MODELS)}, onnx:FOLDER, or PROVIDER:MODEL for "
            f"a hosted model, of the providers {', '.join(PROVIDERS)}."
        )
