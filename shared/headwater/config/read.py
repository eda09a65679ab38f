"""Read the settings from environment variables.

Only this module reads the environment. docs/settings.md lists all settings; a test keeps it complete.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any

from headwater.config.checks import find_problems
from headwater.config.settings import Settings
from headwater.errors import ConfigError

ALIASES = {
    "AUTH_SECRET": "JWT_SECRET",
    "GOOGLE_API_KEY": "GEMINI_API_KEY",
    "OPENAI_BASE_URL": "OPENAI_API_BASE",
}
"""Other names of settings, which many `.env` files have. Our own name takes precedence."""


def find_ignored_aliases(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the other names that are set to another value than the setting's own name; None: in this process."""
    environ = os.environ if environ is None else environ
    return [
        alias
        for name, alias in ALIASES.items()
        if environ.get(alias) and environ.get(name) and environ[alias] != environ[name]
    ]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read settings from an environment.

    An empty value counts as unset. `ALIASES` are read where the setting's own name is unset. Raises ConfigError
    with a line for each missing or invalid setting.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for spec in fields(Settings):
        name = spec.name.upper()
        raw = environ.get(name, "") or environ.get(ALIASES.get(name, ""), "")
        if name.endswith("_API_KEY"):
            raw = raw.strip()  # a secret that was stored from a file ends with a line break
        if not raw:
            if _required(spec):
                problems.append(f"{name}: missing. {spec.metadata['help']}")
            continue
        try:
            values[spec.name] = _convert(spec.type, raw)
        except ValueError as error:
            problems.append(f"{name}: {raw!r} is invalid ({error})")
    settings = None if problems else Settings(**values)
    problems += find_problems(settings) if settings else []
    if settings is None or problems:
        raise ConfigError("Missing or invalid settings:\n  " + "\n  ".join(problems))
    return settings


def _required(spec: "Field[Any]") -> bool:
    return spec.default is MISSING


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def _convert(kind: Any, raw: str) -> Any:
    """Parse a value; raises ValueError with the expected form."""
    if kind is bool:
        if raw.lower() not in _TRUE | _FALSE:
            raise ValueError("expected true or false")
        return raw.lower() in _TRUE
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if kind in (int, float) and not float(raw) >= 0:
        raise ValueError("expected a number of at least 0")
    return kind(raw)


@cache
def get_settings() -> Settings:
    """Return this process's settings; the environment is read once."""
    return read_settings(os.environ)


def environment_without_settings() -> dict[str, str]:
    """Return the environment for a process that runs code of others: without our settings, so without any key."""
    names = {spec.name.upper() for spec in fields(Settings)} | set(ALIASES.values())
    return {name: value for name, value in os.environ.items() if name not in names and not name.startswith(_OF_AGENTS)}


def agent_environment() -> dict[str, str]:
    """Return the environment for an agent: without our settings, and with what `AGENT_ENV_NAME` gives it as `NAME`."""
    given = {name: value for name, value in os.environ.items() if name.startswith(_OF_AGENTS)}
    return environment_without_settings() | {name.removeprefix(_OF_AGENTS): value for name, value in given.items()}


def minimal_environment() -> dict[str, str]:
    """Return the environment for a process that only computes: what Python and the system's libraries read."""
    return {name: value for name, value in os.environ.items() if _BASIC_VARIABLES.fullmatch(name)}


_OF_AGENTS = "AGENT_ENV_"
_BASIC_VARIABLES = re.compile(r"PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|MALLOC_\w+|PYTHON\w+")
