"""The routes of chat that are imported later."""

import re

import pytest

from functions.chat.routes import routes
from headwater.config import Settings
from headwater.embedding.constant import ConstantEmbedder
from headwater.errors import MethodNotAllowed, NotFound
from headwater.web.app import Route
from headwater.web.router import Router
from headwater.web.shutdown import Lifetime
from tests.harness.support import unopened_database

SERVED = routes(unopened_database(), Settings(database_url="x"), lambda _: ConstantEmbedder(), Lifetime())


@pytest.mark.parametrize("route", SERVED.load_more(), ids=lambda route: f"{route.method} {route.path}")
def test_no_route_at_start_takes_the_requests_of_a_later_one(route: Route) -> None:
    path = re.sub(r"<uuid:\w+>", "00000000-0000-4000-8000-000000000001", route.path)
    path = re.sub(r"<[^>]+>", "1", path)
    with pytest.raises((MethodNotAllowed, NotFound)):
        Router(SERVED.at_start, list).match(path, route.method)
