"""gunicorn with the configuration of the images."""

import os
import subprocess
import sys
import time
from pathlib import Path

import urllib3

from headwater.web.gunicorn_worker import SWITCH_S
from tests.harness.ports import free_port

APP = """
import gc, json, sys
LOADED_WITH_GC = gc.isenabled()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    state = [LOADED_WITH_GC, gc.isenabled(), gc.get_freeze_count() > 0, sys.getswitchinterval()]
    return [json.dumps(state).encode()]
"""


def test_worker_collects_garbage_only_after_the_imports_and_switches_threads_often(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    options = ["--config=python:headwater.web.gunicorn_config", f"--bind=127.0.0.1:{port}", f"--chdir={tmp_path}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "app:app"],
        env={**os.environ, "DATABASE_URL": "postgresql+pg8000://app@127.0.0.1:9/none"},
    )
    try:
        with urllib3.PoolManager() as http:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, "gunicorn has exited"
                try:
                    response = http.request("GET", f"http://127.0.0.1:{port}/", retries=False)
                    break
                except urllib3.exceptions.HTTPError:
                    assert time.monotonic() < deadline, "gunicorn does not answer"
                    time.sleep(0.05)
            assert response.json() == [False, True, True, SWITCH_S]
    finally:
        process.terminate()
        process.wait(20)
