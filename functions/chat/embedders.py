"""Embedders: a model's name flows in, the loaded model flows out, once for the whole process.

Made by `main`; `search` asks for the model that the workspace's vectors are of.
"""

import threading

from headwater import logs
from headwater.config import Settings
from headwater.embedder import Embedder, load_embedder
from headwater.errors import ConfigError


class Embedders:
    """Loads each model when it is first wanted; safe to ask from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._loaded: dict[str, Embedder] = {}

    def __call__(self, name: str) -> Embedder:
        """Return a model, loaded now if it wasn't yet; raises ConfigError when it isn't there."""
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load_embedder(name, self.settings.model_dir)
            return self._loaded[name]

    def warm(self) -> None:
        """Begin to load the configured model on a thread, while the first request is still being read."""
        threading.Thread(target=self._warm, name="warm", daemon=True).start()

    def _warm(self) -> None:
        try:
            self(self.settings.embedding_model)
        except ConfigError as error:  # whoever needs it meets the same error, and answers it
            logs.event("embedder.missing", severity=30, error=error)
