"""Record what hosted embedding models and rerankers charge, by workspace, model and day (table `usage`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from headwater import logs
from headwater.auth.callers import ensure_local_workspace
from headwater.config import Settings
from headwater.database.transactions import Database
from headwater.embedding.hosted.metering import metered
from headwater.embedding.hosted.providers import is_hosted
from headwater.errors import ConfigError, UpstreamError
from headwater.usage.prices import load_prices
from headwater.usage.record import Kind, Payer, Tokens, record_usage

NO_TOKENS = Tokens()


class Recorder:
    """Records usage in a transaction of its own: what was charged counts, also if the work fails or is discarded."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @contextmanager
    def recording(self, payer: Payer, model: str) -> Iterator[None]:
        """Record the requests of this block. Local models cost nothing, and nothing is recorded."""
        if not is_hosted(model):
            yield
            return
        with metered() as meter:
            try:
                yield
            finally:
                if meter.calls:
                    tokens = Tokens(input=meter.tokens)
                    self.record(payer, "embedding", model.partition("#")[0], tokens, calls=meter.calls)

    def record(self, payer: Payer, kind: Kind, model: str, tokens: Tokens = NO_TOKENS, *, calls: int = 1) -> None:
        """Record requests. An error is logged: it must not fail what was requested, nor replace its own error."""
        try:
            prices = load_prices(self._settings.prices)
            with self._database.transaction(payer.workspace_id) as tx:
                ensure_local_workspace(tx, payer.workspace_id)
                record_usage(tx, prices, payer, kind=kind, model=model, tokens=tokens, calls=calls)
        except (UpstreamError, ConfigError) as error:
            logs.event("usage.not_recorded", severity=40, model=model, tokens=tokens.input, calls=calls, error=error)
