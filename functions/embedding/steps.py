"""The kinds of step that embedding knows, by name; its own function and the job run them."""

from collections.abc import Callable, Mapping

from functions.embedding.embed import Embed
from headwater.embedding.base import Embedder
from headwater.queue.worker import Handler


def handlers(embedder: Callable[[str], Embedder]) -> Mapping[str, Handler]:
    """Make a handler for each kind."""
    return {"embed": Embed(embedder)}
