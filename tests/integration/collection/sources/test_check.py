"""Checks of sources at servers that keep them waiting: a few at a time, and as long as they are wanted."""

import threading
import uuid

import pytest

from functions.collection.sources.check import MAX_CHECKS, SourceChecks
from functions.collection.sources.connect import SourceOpener
from functions.collection.sources.credentials import Credentials
from headwater.config import Settings
from headwater.errors import HeadwaterError, ServerBusy, TooManyRequests, UnprocessableContent
from tests.fakes.hostile_server import WAYS, hostile_server
from tests.harness.stacks import wait_until

WORKSPACES = [uuid.UUID(int=n) for n in range(MAX_CHECKS + 1)]


def test_checks_are_limited_and_end_when_they_are_not_wanted() -> None:
    checks = SourceChecks(SourceOpener(Settings(database_url="unused", fetch_private=True)))
    is_wanted = threading.Event()
    is_wanted.set()
    errors: list[HeadwaterError] = []

    def check(workspace_id: uuid.UUID, url: str) -> None:
        source = Credentials(uuid.uuid4(), "git", {"url": f"{url}/r.git"}, None, None)
        try:
            checks.check(workspace_id, source, is_wanted.is_set)
        except HeadwaterError as error:
            errors.append(error)

    with hostile_server("headers") as server:
        running = [threading.Thread(target=check, args=(each, server.url)) for each in WORKSPACES[:MAX_CHECKS]]
        for thread in running:
            thread.start()
        wait_until(lambda: server.opened == MAX_CHECKS)
        check(WORKSPACES[0], server.url)
        check(WORKSPACES[-1], server.url)
        assert [type(error) for error in errors] == [TooManyRequests, ServerBusy]
        is_wanted.clear()
        for thread in running:
            thread.join(6)
        assert [type(error) for error in errors[2:]] == [UnprocessableContent] * MAX_CHECKS
        assert server.opened == MAX_CHECKS
        is_wanted.set()
        errors.clear()
        later = threading.Thread(target=check, args=(WORKSPACES[0], server.url))
        later.start()
        wait_until(lambda: server.opened == MAX_CHECKS + 1)
        is_wanted.clear()
        later.join()
        assert [type(error) for error in errors] == [UnprocessableContent], "the slot is free again"


@pytest.mark.parametrize("way", WAYS)
def test_check_ends_in_any_phase_when_it_is_not_wanted(way: str) -> None:
    asked = []

    def is_wanted() -> bool:
        asked.append(way)
        return len(asked) < 3

    checks = SourceChecks(SourceOpener(Settings(database_url="unused", fetch_private=True)))
    with hostile_server(way) as server, pytest.raises(UnprocessableContent) as raised:
        checks.check(uuid.uuid4(), Credentials(uuid.uuid4(), "git", {"url": server.url + "/r"}, None, None), is_wanted)
    assert " 10 s" not in raised.value.message
