"""A source's schedule in the API: set, read, changed, removed, and rejected if invalid."""

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.harness.databases import FreshDatabase
from tests.harness.function_server import serve_function
from tests.harness.pipeline import Repository

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git: makes repositories with it")

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def collection(module_database: FreshDatabase, free_port: Callable[[], int]) -> Iterator[httpx.Client]:
    environment = {"DATABASE_URL": module_database.url, "FETCH_FILE_URLS": "true"}
    with serve_function("collection", free_port(), environment) as client:
        yield client


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.write({"a.md": "# A\n\ntext\n"})
    return repository.url


def add_source(client: httpx.Client, url: str, **fields: Any) -> httpx.Response:
    return client.post("/api/sources", json={"kind": "git", "name": "docs", "config": {"url": url}, **fields})


def test_source_has_its_next_three_runs_in_utc(collection: httpx.Client, url: str) -> None:
    added = add_source(collection, url, schedule=" 30  4 * * * ", time_zone="Europe/Berlin")
    assert added.status_code == 201, added.text
    source = collection.get(f"/api/sources/{added.json()['id']}").json()
    assert (source["schedule"], source["time_zone"]) == ("30 4 * * *", "Europe/Berlin")
    times = [dt.datetime.fromisoformat(time) for time in source["next_runs"]]
    assert len(times) == 3
    assert all(time.utcoffset() == dt.timedelta(0) for time in times)
    assert [f"{time.astimezone(BERLIN):%H:%M}" for time in times] == ["04:30"] * 3
    assert dt.datetime.now(dt.UTC) < times[0] < times[1] < times[2]


def test_schedule_changes_only_the_given_fields(collection: httpx.Client, url: str) -> None:
    source = add_source(collection, url).json()
    path = f"/api/sources/{source['id']}"
    assert (source["schedule"], source["time_zone"], source["next_runs"]) == (None, None, [])

    def change(**changes: Any) -> tuple[Any, ...]:
        response = collection.patch(path, json=changes)
        assert response.status_code == 200, response.text
        changed = response.json()
        assert changed == collection.get(path).json()
        return changed["name"], changed["schedule"], changed["time_zone"], len(changed["next_runs"])

    assert change(schedule="0 3 * * *") == ("docs", "0 3 * * *", "UTC", 3)
    assert change(time_zone="Asia/Tokyo") == ("docs", "0 3 * * *", "Asia/Tokyo", 3)
    assert change(schedule="0 5 * * MON") == ("docs", "0 5 * * MON", "Asia/Tokyo", 3)
    assert change(name=" guides ") == ("guides", "0 5 * * MON", "Asia/Tokyo", 3)
    assert change() == ("guides", "0 5 * * MON", "Asia/Tokyo", 3)
    assert change(schedule=None, time_zone="Asia/Tokyo") == ("guides", None, None, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "*/5 * * * *"}, "The shortest interval is 15 minutes"),
        ({"schedule": "every day"}, "five fields"),
        ({"schedule": "0 3 * * *", "time_zone": "Europe/Bärlin"}, "time_zone"),
        ({"time_zone": "UTC"}, "has no schedule"),
        ({"name": " "}, "name"),
        ({"paused": 1}, "paused"),
    ],
)
def test_invalid_change_is_rejected_as_a_whole(
    collection: httpx.Client, url: str, changes: dict[str, Any], message: str
) -> None:
    source = add_source(collection, url).json()
    response = collection.patch(f"/api/sources/{source['id']}", json={"name": "new", **changes})
    assert response.status_code == 422, response.text
    assert message in response.json()["detail"]
    assert collection.get(f"/api/sources/{source['id']}").json() == source
    if "schedule" in changes:
        assert add_source(collection, url, **changes).status_code == 422
