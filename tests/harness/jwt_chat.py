"""Call the chat function with `AUTH_MODE=jwt` in process, as several callers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from functions.chat.routes import routes
from headwater.embedding.constant import ConstantEmbedder
from headwater.web.shutdown import Lifetime
from tests.fakes.token_issuer import FakeIssuer
from tests.harness.databases import FreshDatabase
from tests.harness.jwt_app import JwtApp, running_jwt_app
from tests.harness.support import settings_for


@contextmanager
def running_jwt_chat(database: FreshDatabase, issuer: FakeIssuer, **changes: Any) -> Iterator[JwtApp]:
    """Run the function on a database whose active model is `constant`. `changes` are of its settings."""
    settings = settings_for(database, **changes)
    with running_jwt_app(
        database, issuer, "chat", lambda opened: routes(opened, settings, lambda _: ConstantEmbedder(), Lifetime())
    ) as made:
        yield made
