"""Run gcloud against localcloud: the command behind `scripts/gcloud-local`. Uses the standard library only.

localcloud serves as gcloud's HTTP proxy, so no request reaches Google. gcloud's configuration is in the data folder;
the user's own is neither read nor changed.
"""

import os
import shutil
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

DEFAULT_ENDPOINT = "http://127.0.0.1:8791"
# The APIs of localcloud, and others that it refuses at once; without an override, gcloud would retry them for minutes.
APIS = (
    "APPENGINE",
    "ARTIFACTREGISTRY",
    "CLOUDBUILD",
    "CLOUDFUNCTIONS",
    "CLOUDRESOURCEMANAGER",
    "CLOUDSCHEDULER",
    "CLOUDTASKS",
    "COMPUTE",
    "IAM",
    "LOGGING",
    "PUBSUB",
    "RUN",
    "SECRETMANAGER",
    "SERVICEUSAGE",
    "SQL",
    "STORAGE",
)


def main() -> None:
    """Replace this process by gcloud. Exits with a message if gcloud or localcloud is missing."""
    options, arguments = split(sys.argv[1:])
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        sys.exit("gcloud-local: gcloud is not installed. See https://cloud.google.com/sdk/docs/install")
    data = Path(options.get("--data") or Path(__file__).resolve().parents[2] / ".headwater").absolute()
    token_file = Path(options.get("--token-file") or data / "token").absolute()
    endpoint = options.get("--endpoint") or os.environ.get("HEADWATER_LOCALCLOUD") or stack_endpoint(data)
    if not answers(endpoint):
        sys.exit(f"gcloud-local: localcloud doesn't answer at {endpoint}. Start it with scripts/dev.")
    if not token_file.exists():
        sys.exit(f"gcloud-local: {token_file} is missing. Name the file with localcloud's token: --token-file FILE")
    os.execve(gcloud, [gcloud, *arguments], environment(endpoint, token_file, data / "gcloud"))


def split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split the command line into our options and gcloud's arguments."""
    options: dict[str, str] = {}
    while words and words[0].partition("=")[0] in ("--endpoint", "--data", "--token-file"):
        name, equals, value = words.pop(0).partition("=")
        if not equals and not words:
            sys.exit(f"gcloud-local: {name} needs a value")
        options[name] = value if equals else words.pop(0)
    return options, words


def stack_endpoint(data: Path) -> str:
    """Return the endpoint of the stack of a data folder, or the default endpoint if there is none."""
    try:
        lines = (data / "env").read_text().splitlines()
    except OSError:
        return DEFAULT_ENDPOINT
    settings = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return settings.get("TASKS_ENDPOINT", "").strip("'\"") or DEFAULT_ENDPOINT


def answers(endpoint: str) -> bool:
    """Return whether localcloud answers."""
    try:
        with build_opener(ProxyHandler({})).open(f"{endpoint.rstrip('/')}/heartbeat", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError, ValueError):
        return False


def environment(endpoint: str, token_file: Path, config: Path) -> dict[str, str]:
    """Return the caller's environment with gcloud configured for localcloud."""
    proxy = urlsplit(endpoint)
    inherited = {name: value for name, value in os.environ.items() if is_inherited(name)}
    properties = {
        "CONFIG": str(config),
        "AUTH_ACCESS_TOKEN_FILE": str(token_file),
        "CORE_PROJECT": "local",
        "CORE_DISABLE_PROMPTS": "true",
        "CORE_DISABLE_USAGE_REPORTING": "true",
        "COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "RUN_REGION": "local",
        "PROXY_TYPE": "http",
        "PROXY_ADDRESS": proxy.hostname or "",
        "PROXY_PORT": str(proxy.port or 80),
        **{f"API_ENDPOINT_OVERRIDES_{api}": f"http://{api.lower()}.local/" for api in APIS},
    }
    return {**inherited, **{f"CLOUDSDK_{name}": value for name, value in properties.items()}}


def is_inherited(name: str) -> bool:
    """Return whether gcloud inherits a variable of the caller: not properties of gcloud, and no proxies."""
    is_property = name.startswith("CLOUDSDK_") and name != "CLOUDSDK_PYTHON"
    return not is_property and not name.lower().endswith("_proxy")


if __name__ == "__main__":
    main()
