"""gunicorn with the configuration of the images."""

import os
import subprocess
import sys
import time
from pathlib import Path

import urllib3

from tests.harness.ports import free_port

APP = """
import gc, json
LOADED_WITH_GC = gc.isenabled()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([LOADED_WITH_GC, gc.isenabled(), gc.get_freeze_count() > 0]).encode()]
"""


def test_garbage_is_collected_only_after_the_imports(tmp_path: Path) -> None:
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
            assert response.json() == [False, True, True]
    finally:
        process.terminate()
        process.wait(20)
