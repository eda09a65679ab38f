"""Run a real SearXNG (Debian's searx) whose only engine is a JSON index on loopback.

with running_searxng(site.origin) as url:
    …  # the index is {site.origin}/index.json?q=…: [{"url": …, "title": …, "content": …}]
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.checks import system_tools
from scripts.local.orphan_killer import OrphanKiller
from tests.harness.ports import free_port

_SETTINGS = """
general: {{debug: false, instance_name: test, contact_url: false, enable_stats: false}}
brand: {{git_url: "", git_branch: "", issue_url: "", docs_url: "", public_instances: "", wiki_url: "", twitter_url: ""}}
search: {{safe_search: 0, autocomplete: "", default_lang: "", ban_time_on_fail: 1, max_ban_time_on_fail: 1,
  prefer_configured_language: false, formats: [html, json]}}
server: {{port: {port}, bind_address: 127.0.0.1, secret_key: of-a-test, base_url: false, image_proxy: false,
  http_protocol_version: "1.0", method: POST, default_http_headers: {{}}}}
ui: {{autofocus: true, archive_today: false, static_path: /usr/share/python3-searx/static,
  templates_path: /usr/share/python3-searx/templates, default_theme: oscar, default_locale: "",
  theme_args: {{oscar_style: logicodev}}}}
outgoing: {{request_timeout: 5.0, useragent_suffix: "", pool_connections: 10, pool_maxsize: 10, enable_http: true}}
locales: {{en: English}}
doi_resolvers: {{oadoi.org: "https://oadoi.org/"}}
default_doi_resolver: oadoi.org
engines:
  - name: pages
    engine: json_engine
    shortcut: pg
    categories: general
    enable_http: true
    search_url: "{origin}/index.json?q={{query}}"
    results_query: results
    url_query: url
    title_query: title
    content_query: content
"""


@contextmanager
def running_searxng(origin: str) -> Iterator[str]:
    """Run it until the block ends, and yield its URL. Skips the test if it is not installed."""
    program = system_tools.program("searx")
    if program is None:
        pytest.skip("needs searx: it can't be installed here")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="headwater-test-") as name, OrphanKiller() as orphan_killer:
        settings, log = Path(name, "settings.yml"), Path(name, "log")
        settings.write_text(_SETTINGS.format(port=port, origin=origin))
        environment = {"PATH": os.defpath, "HOME": name, "SEARX_SETTINGS_PATH": str(settings)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program], env=environment, cwd=name, stdout=output, stderr=output, start_new_session=True
            )
        orphan_killer.watch(process.pid)
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
