"""A Worker as Cloudflare's API describes it, read over REST and by the real wrangler."""

from collections.abc import Iterator
from typing import Any

import pytest

from scripts.deployment.cloud import cloudflare
from scripts.deployment.cloud.failures import DeploymentError
from tests.fakes.api_server import ApiServer, Reply, Request, running
from tests.fakes.cloudflare import WORKERS, NoWorker, Worker, envelope, refusal

NAMES = ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_TOKEN", "NODE_EXTRA_CA_CERTS")


class Cloudflare(ApiServer):
    """The API of an account with at most one Worker."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "token"
        self.worker = Worker()

    def answer(self, request: Request) -> Reply:
        """Answer a request for the Worker."""
        try:
            return Reply(envelope(self.worker.answer(request.method, request.path.removeprefix(WORKERS), None)))
        except NoWorker:
            return Reply(refusal(), 404)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloudflare]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(Cloudflare()) as api:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", f"{api.origin}/client/v4")
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "token\n")
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "account")
        yield api


def read() -> tuple[Any, Any, Any]:
    deployment = cloudflare.read_deployment("headwater")
    versions = cloudflare.read_versions("headwater")
    return deployment, versions, cloudflare.read_secret_names("headwater")


def test_worker_is_read_over_rest_and_by_wrangler_without_a_token(
    api: Cloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read() == (None, [], [])
    first, second = (api.worker.add_version({"workers/tag": tag}) for tag in ("v1", "v2"))
    api.worker.serve([{"version_id": each["id"], "percentage": 50} for each in (first, second)])
    api.worker.secrets["AUTH_SECRET"] = "secret"
    deployment, versions, secrets = read()
    assert deployment["versions"] == api.worker.traffic
    assert {each["id"]: each["annotations"]["workers/tag"] for each in versions} == {
        first["id"]: "v1",
        second["id"]: "v2",
    }
    assert secrets == ["AUTH_SECRET"]

    api.token = ""  # a global key takes its place, which only wrangler sends
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "0" * 37)
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "owner@example.com")
    by_wrangler = read()
    assert by_wrangler[0]["versions"] == deployment["versions"]
    assert sorted(map(str, by_wrangler[1])) == sorted(map(str, versions))
    assert by_wrangler[2] == secrets
    api.worker.versions.clear()
    assert cloudflare.read_deployment("headwater") is None
    assert cloudflare.read_secret_names("headwater") == []


def test_worker_without_a_deployment_exists(api: Cloudflare) -> None:
    api.refusals.append(Reply(envelope({"deployments": []})))
    assert cloudflare.read_deployment("headwater") == {}


def test_failure_says_what_to_do(api: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    def failure(reply: Reply) -> DeploymentError:
        api.refusals.append(reply)
        with pytest.raises(DeploymentError) as raised:
            cloudflare.read_deployment("headwater")
        return raised.value

    wrong_token = failure(Reply({"errors": [{"code": 10000, "message": "Authentication error"}]}, 403))
    assert "Authentication error [code: 10000]" in wrong_token.problem
    assert "set CLOUDFLARE_API_TOKEN" in wrong_token.next_step
    assert "status 502: <html>" in failure(Reply(b"<html>", 502)).problem
    assert "status 500" in failure(Reply({"errors": []}, 500)).problem
    assert "status 404: 404 page not found" in failure(Reply(b"404 page not found", 404)).problem
    assert "can't be reached" in failure(Reply(b"<html>")).problem
    assert "can't be reached" in failure(Reply(b"", headers={"Transfer-Encoding": "chunked"})).problem
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9")
    assert "check your network" in failure(Reply()).next_step
