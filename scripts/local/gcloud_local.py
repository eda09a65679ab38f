"""`scripts/gcloud-local [--endpoint URL] [--data DIR] ARGS…`: the real gcloud, against localcloud instead of Google.

    scripts/gcloud-local tasks queues list
    scripts/gcloud-local run jobs execute headwater --args=collect,--source=ID --wait

Every request goes to localcloud as if to an HTTP proxy, so nothing reaches Google. The endpoint is that of
--endpoint, of $HEADWATER_LOCALCLOUD, of the stack that runs on the data folder, or http://127.0.0.1:8791. gcloud's
configuration is kept in the data folder (default: .headwater); your own is neither read nor changed. Project and
location are `local` unless gcloud's own flags say otherwise. Needs nothing but Python and gcloud.
"""

import os
import shutil
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

DEFAULT_ENDPOINT = "http://127.0.0.1:8791"
# The APIs that localcloud has, and those next to them: it refuses these at once, where gcloud would try for minutes.
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
    """Find gcloud and localcloud and become gcloud; exits with a line on stderr when one of them is missing."""
    options, arguments = split(sys.argv[1:])
    if not arguments or arguments[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        sys.exit("gcloud-local: gcloud is not installed (https://cloud.google.com/sdk/docs/install)")
    data = Path(options.get("--data") or Path(__file__).resolve().parents[2] / ".headwater").absolute()
    endpoint = options.get("--endpoint") or os.environ.get("HEADWATER_LOCALCLOUD") or kept_endpoint(data)
    if not answers(endpoint):
        sys.exit(f"gcloud-local: no localcloud answers at {endpoint} (scripts/dev starts one; docs/localcloud.md)")
    os.execve(gcloud, [gcloud, *arguments], environment(endpoint, data / "gcloud"))


def split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options before gcloud's own arguments, and these."""
    options: dict[str, str] = {}
    while words and words[0].partition("=")[0] in ("--endpoint", "--data"):
        name, given, value = words.pop(0).partition("=")
        if not given and not words:
            sys.exit(f"gcloud-local: {name} needs a value")
        options[name] = value if given else words.pop(0)
    return options, words


def kept_endpoint(data: Path) -> str:
    """Return the endpoint that the settings of the stack on a data folder name, the default one without."""
    try:
        lines = (data / "env").read_text().splitlines()
    except OSError:
        return DEFAULT_ENDPOINT
    settings = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    return settings.get("TASKS_ENDPOINT", "").strip("'\"") or DEFAULT_ENDPOINT


def answers(endpoint: str) -> bool:
    """Tell whether a localcloud is there."""
    try:
        with build_opener(ProxyHandler({})).open(f"{endpoint.rstrip('/')}/heartbeat", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError, ValueError):
        return False


def environment(endpoint: str, config: Path) -> dict[str, str]:
    """Return the caller's environment with a gcloud that knows nothing but localcloud."""
    proxy = urlsplit(endpoint)
    inherited = {name: value for name, value in os.environ.items() if is_harmless(name)}
    properties = {
        "CONFIG": str(config),
        "AUTH_DISABLE_CREDENTIALS": "true",
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


def is_harmless(name: str) -> bool:
    """Tell whether a variable of the caller's may reach gcloud: none of its properties, no proxies."""
    is_property = name.startswith("CLOUDSDK_") and name != "CLOUDSDK_PYTHON"
    return not is_property and not name.lower().endswith("_proxy")


if __name__ == "__main__":
    main()
