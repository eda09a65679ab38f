"""The lock files and the output of what installs them, pip, uv or npm: settings, addresses and progress.

The set-up imports this with any Python, so it uses the standard library only.
"""

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

# They change nothing about packages that are locked with their hashes.
_WITHOUT_EFFECT = {
    *("break-system-packages", "config-file", "constraint", "disable-pip-version-check", "no-color"),
    *("no-input", "no-warn-script-location", "prefer-binary", "progress-bar", "quiet", "require-virtualenv"),
    *("require-hashes", "root-user-action", "only-binary", "verbose"),
}
_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
_VARIABLES = {
    "cache-dir": ("UV_CACHE_DIR",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "no-cache-dir": ("UV_NO_CACHE",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "retries": ("UV_HTTP_RETRIES",),
    "timeout": ("UV_HTTP_TIMEOUT",),
}


def settings_for_uv(listing: str) -> tuple[list[str], dict[str, str]]:
    """Translate the output of `pip config list`. Returns options and environment variables of uv.

    uv installs the same packages in an eighth of the processor time, but reads no pip.conf. Raises ValueError if a
    setting has no counterpart.
    """
    # The system's certificates: uv works behind a company's proxy. Any index may have the locked file, as with pip.
    options, variables = ["--index-strategy=unsafe-best-match"], {"UV_SYSTEM_CERTS": "1"}
    for name, value in _settings(listing).items():
        if name in _OPTIONS:
            options += [f"{_OPTIONS[name]}={word}" for word in value.split()]
        elif name in _VARIABLES:
            variables |= dict.fromkeys(_VARIABLES[name], value)
        elif name == "no-index" and value.lower() in ("1", "true", "yes", "on"):
            options.append("--no-index")
        elif name not in _WITHOUT_EFFECT:
            raise ValueError(f"uv has no counterpart of pip's setting {name}")
    return options, variables


def _settings(listing: str) -> dict[str, str]:
    """Return the settings of `pip install` by name. Variables override files; the command's override global ones."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in sections:
            sections[section][name.replace("_", "-")] = str(ast.literal_eval(value))
    return {name: value for values in sections.values() for name, value in values.items()}


def requirement(requirements: str, name: str) -> str:
    """Return the lines of a package in a lock file: its release and its hashes."""
    [lines] = re.findall(rf"^{name}==(?:.*\\\n)*.*\n", requirements, re.MULTILINE)
    return str(lines)


def copy_npm_project(project: Path, folder: Path, registry: str) -> None:
    """Copy what `npm ci` reads to a new folder, with the addresses of the packages' archives in a registry."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in (project / name for name in ("package.json", ".npmrc") if (project / name).exists()):
        shutil.copy(file, folder)
    (folder / "package-lock.json").write_text(with_archives((project / "package-lock.json").read_text(), registry))


def with_archives(lock: str, registry: str) -> str:
    """Return an npm lock file with the address of each package's archive.

    Lock files have no addresses, since each company has its registry. For a package without one, npm downloads the
    list of all its releases: 95 MB for `edge/`, and half of npm's processor time.
    """
    content = json.loads(lock)
    for path, package in content["packages"].items():
        if path and "resolved" not in package and "version" in package:
            name = package.get("name") or path.rpartition("node_modules/")[2]
            file = f"{name.rpartition('/')[2]}-{package['version']}.tgz"
            package["resolved"] = f"{registry.rstrip('/')}/{name}/-/{file}"
    return json.dumps(content)


class PackageCounter:
    """Counts packages in pip's output, which names each package when it downloads it but not when it installs it.

    uv names none: it tells how many there are, and installs those that it has downloaded.
    """

    def __init__(self, requirements: str, count_installed: Callable[[], int]) -> None:
        self._total = sum(line[0].isalnum() for line in requirements.splitlines() if line)
        self._found = 0
        self._is_installing = False
        self._count_installed = count_installed

    def add(self, line: str) -> None:
        """Read one line of the installer's output."""
        self._total -= line.startswith("Ignoring ")  # its marker excludes this platform
        self._found += line.startswith(("Collecting ", "Requirement already satisfied: "))
        self._is_installing |= line.startswith(("Installing collected packages", "Resolved "))

    def text(self) -> str:
        """Return how many packages are done."""
        if self._is_installing:
            return f"installed {min(self._count_installed(), self._total)} of {self._total} packages"
        return f"downloaded {self._found} of {self._total} packages"
