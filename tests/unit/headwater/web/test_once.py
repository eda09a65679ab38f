"""`once`: the first requests share one app."""

import threading
import time

from headwater.config import Settings
from headwater.web.app import App
from headwater.web.once import once
from tests.harness.support import unopened_database


def test_concurrent_requests_build_one_app() -> None:
    built: list[App] = []

    @once
    def app() -> App:
        time.sleep(0.05)  # long enough for the other threads to arrive
        built.append(App("test", Settings(database_url="x"), [], unopened_database()))
        return built[-1]

    returned: list[App] = []
    threads = [threading.Thread(target=lambda: returned.append(app())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert set(map(id, returned)) == {id(built[0])}
