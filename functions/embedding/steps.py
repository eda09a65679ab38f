"""The kinds of step that embedding knows, by name; its own function and the job run them."""

from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock

from functions.embedding.embed import Embed
from headwater.config import Settings
from headwater.embedder import Embedder, load_embedder
from headwater.worker import Handler


def cached_embedder(settings: Settings) -> Callable[[str], Embedder]:
    """Return what gives the embedder of a model by its name; each is loaded once, when first wanted."""

    load = cache(lambda name: load_embedder(name, settings.model_dir))
    lock = Lock()

    def embedder(name: str) -> Embedder:
        with lock:  # two requests at once would otherwise both load it
            return load(name)

    return embedder


def handlers(embedder: Callable[[str], Embedder]) -> Mapping[str, Handler]:
    """Make a handler for each kind."""
    return {"embed": Embed(embedder)}
