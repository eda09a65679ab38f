"""The settings: their names, types, defaults and descriptions. `read` reads them."""

import re
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import UUID

_MIN_SECRET_CHARS = 8
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


def _setting(help_text: str, default: Any = MISSING, unit: str = "", *, secret: bool = False) -> Any:
    """Declare a setting. Without a default it is required."""
    return field(default=default, metadata={"help": help_text, "unit": unit, "secret": secret})


# `repr=False`: no secrets in tracebacks and test reports. `eq=False`: its methods would cost each cold start 1 ms.
@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Settings:
    """All settings, named like their environment variables in lower case."""

    database_url: str = _setting("Postgres URL with the role DATABASE_ROLE: `postgresql+pg8000://app:…@host/db`.")
    database_role: str = _setting(
        "The role of the functions, which `migrate` creates. Installations on one server need different names.", "app"
    )
    database_admin_url: str = _setting(
        "Postgres URL with the owner, for migrations and index builds. Not a transaction-mode pooler.", ""
    )
    database_root_certificate: str = _setting(
        "Root certificate of the database's server: PEM text or a file. `sslrootcert` in a URL takes precedence.",
        "",
    )
    database_pool_size: int = _setting(
        "Database connections that an instance keeps open. At peaks it opens two more.", 4
    )

    auth_mode: str = _setting("`local` (this machine only) or `jwt` (tokens and API keys).", "local")
    auth_issuer: str = _setting("The required `iss` of tokens.", "")
    auth_audience: tuple[str, ...] = _setting("The accepted `aud` values of tokens, separated by commas.", ())
    auth_jwks_url: str = _setting("URL of the issuer's keys (JWKS), for ES256, RS256 and EdDSA tokens.", "")
    auth_secret: str = _setting("Secret shared with the issuer, at least 32 bytes, for HS256 tokens.", "", secret=True)
    local_token: str = _setting(
        "Token of this machine's user. `AUTH_MODE=local` accepts only requests that send it, as localcloud does.",
        "",
        secret=True,
    )
    sign_up: str = _setting("`open` (every valid token gets a workspace) or `invited` (members only).", "open")
    local_workspace_id: UUID = _setting(
        "The workspace used with `AUTH_MODE=local`.", UUID("00000000-0000-4000-8000-000000000001")
    )
    google_jwks_url: str = _setting(
        "URL of the keys of Google's ID tokens. Used only where Cloud Run hasn't verified them.",
        "https://www.googleapis.com/oauth2/v3/certs",
    )
    cors_origins: tuple[str, ...] = _setting("Origins of web pages that may call the API, separated by commas.", ())
    secret_key: str = _setting(
        "Fernet key that encrypts the tokens of sources and MCP servers, and signs the addresses of previews.",
        "",
        secret=True,
    )

    google_cloud_project: str = _setting("Google Cloud project of the queues and the job.", "local")
    cloud_region: str = _setting("Region of the queues and the job.", "local")
    tasks_endpoint: str = _setting("Base URL of the Cloud Tasks API. Empty for Google's.", "")
    invoker_service_account: str = _setting(
        "E-mail address of the service account that Cloud Tasks and Cloud Scheduler use to call the functions.", ""
    )
    collection_url: str = _setting("Base URL of the collection function, for Cloud Tasks.", "")
    embedding_url: str = _setting("Base URL of the embedding function, for Cloud Tasks.", "")
    chat_url: str = _setting(
        "Base URL of the chat function, for Cloud Tasks. Empty: agents and standing questions don't work, and an "
        "answer whose instance dies stays incomplete.",
        "",
    )
    sandbox_url: str = _setting(
        "Base URL of the service `sandbox`, which runs agents' code. Set by `scripts/deploy`. Empty: on Google Cloud "
        "agents run no code, elsewhere they run it in a sandbox on this system.",
        "",
    )
    front_end_dir: str = _setting(
        "Folder with Vite and React (`node_modules`) and Node (`bin`), with which agents build pages in this "
        "system's sandbox. Empty: agents build no pages there.",
        "",
    )
    prompts_dir: str = _setting(
        "Folder with [prompt functions](prompts.md), one TOML file each. It need not exist.", "prompts"
    )
    agents_dir: str = _setting(
        "Folder with [agents](own-agents.md), one Python file each. It need not exist.", "agents"
    )
    max_tickets: int = _setting(
        "Maximum number of outstanding tickets per queue. A workspace uses at most one less to collect.", 4
    )

    worker_budget_s: float = _setting("Time for which a request keeps claiming steps.", 120.0, "s")
    dispatch_deadline_s: float = _setting("Deadline of a Cloud Tasks attempt, 15 to 1800.", 600.0, "s")
    lease_s: float = _setting(
        "Lease of a running step. Workers renew it; when it expires, the step is claimed again.", 30.0, "s"
    )
    watchdog_s: float = _setting("Period of the watchdog while a run is open.", 30.0, "s")
    max_attempts: int = _setting("Attempts of a step at unexpected errors.", 5)
    max_upstream_attempts: int = _setting(
        "Attempts of a step at upstream errors (a source, a model provider, a full database).", 12
    )
    provider_patience_s: float = _setting(
        "Time that a step waits in total for a provider that asks for pauses. If it asks for longer, the step fails.",
        7200.0,
        "s",
    )

    tick_s: float = _setting(
        "Period of Cloud Scheduler's calls of `/cron/tick`, and the shortest interval of schedules.", 900.0, "s"
    )
    job_name: str = _setting("The Cloud Run job for bulk runs. Empty for none.", "")
    run_endpoint: str = _setting("Base URL of the Cloud Run Admin API. Empty for Google's.", "")
    bulk_threshold: int = _setting("Runs with more changed documents than this use the job.", 1000)
    max_job_workers: int = _setting("Maximum number of job workers of an execution.", 4)
    job_patience_s: float = _setting(
        "Time that a run waits for the job to claim a step before it switches to tickets.", 180.0, "s"
    )
    job_idle_s: float = _setting("A job worker ends after finding no due steps for this long.", 60.0, "s")

    keep_runs_days: int = _setting(
        "Retention of ended runs, with items and steps. The last runs of each source are kept.", 90, "days"
    )
    keep_deleted_days: int = _setting("Retention of removed documents. Until then they can be restored.", 30, "days")
    keep_audit_days: int = _setting("Retention of the audit log, at least 30.", 365, "days")

    blob_url: str = _setting(
        "Blob store for staged data and files of conversations: `file:///…`, `gs://…`, `s3://…`, or `memory:///` for a "
        "single process.",
        "memory:///",
    )
    max_repo_bytes: int = _setting("Maximum size of a repository.", 2 * 1024**3, "bytes")
    max_file_bytes: int = _setting("Maximum size of a file. Larger files fail; the run continues.", 10_000_000, "bytes")
    max_uploaded_file_bytes: int = _setting("Maximum size of an uploaded file.", 100_000_000, "bytes")
    max_conversation_files: int = _setting(
        "Maximum number of [files of a conversation](conversations.md#files-of-a-conversation).", 20
    )
    max_conversation_bytes: int = _setting(
        "Maximum size of all files that are attached to a conversation.", 100_000_000, "bytes"
    )
    max_file_store_bytes: int = _setting(
        "Maximum size of a conversation's [file store](files.md): attached files and those of agents, all versions.",
        200_000_000,
        "bytes",
    )
    max_workspace_file_bytes: int = _setting("Maximum size of all file stores of a workspace.", 10_000_000_000, "bytes")
    max_delete_ratio: float = _setting(
        "Removals of more than this share of a source's documents (and at least 20) are withheld.", 0.5
    )
    fetch_batch: int = _setting(
        "Maximum number of documents in a fetch step. Of sources other than Git repositories, it has at most 64.", 128
    )
    fetch_batch_bytes: int = _setting(
        "Maximum total size of the documents in a fetch step. Larger batches are split into one step per document.",
        16_000_000,
        "bytes",
    )
    extension_timeout_s: float = _setting(
        "Time-out of an extension for listing a source or fetching a batch.", 120.0, "s"
    )
    parse_timeout_s: float = _setting(
        "Processor time for parsing and chunking one file. A file that needs more fails; the run continues.", 10.0, "s"
    )
    parse_memory_bytes: int = _setting(
        "Memory for parsing and chunking one file. A file that needs more fails; the run continues.",
        384 * 1024**2,
        "bytes",
    )
    parse_processes: int = _setting(
        "Processes that parse files, per instance. One workspace never has all of them, if there are several.", 2
    )
    fetch_private: bool = _setting("Allow sources on private and loopback addresses.", False)
    fetch_contact: str = _setting(
        "URL or e-mail address in the User-Agent of requests to feeds and sites, so that their owners can reach you.",
        "",
    )
    fetch_proxy: str = _setting(
        "URL of an http proxy for requests to sources, `http://user:password@host:port`. It gets checked IP addresses.",
        "",
    )
    fetch_folders: tuple[str, ...] = _setting(
        "Folders of this machine that sources may be in, separated by commas. Local installations only.", ()
    )
    fetch_file_urls: bool = _setting("Allow `file:` URLs as sources. Local installations only.", False)

    embedding_model: str = _setting(
        "`all-MiniLM-L6-v2` or `multilingual-e5-small`, with `-int8` for the faster variant; `onnx:FOLDER` for "
        "[another](operations.md#models-of-your-own), in a bucket too; `PROVIDER:MODEL` for a [hosted model]"
        "(embedding-models.md#hosted-models), or `constant` for tests. "
        "Empty: an installation keeps its model, and a new one gets `multilingual-e5-small-int8`.",
        "",
    )
    embedding_base_url: str = _setting(
        "Base URL of another server with OpenAI's embeddings API, for `openai:…` models.", ""
    )
    embedding_dim: int = _setting(
        "Length of hosted models' vectors whose names don't end in `#LENGTH`. 0: the model's own.", 0
    )
    embedding_timeout_s: float = _setting("Time-out of a request to a hosted model.", 60.0, "s")
    embedding_concurrency: int = _setting("Requests to a hosted model that an instance sends at once.", 4)
    model_dir: Path = _setting("Folder with the ONNX models.", Path(".headwater/models"))
    embed_batch: int = _setting("Maximum number of texts in an embed step.", 512)

    chat_models: tuple[str, ...] = _setting(
        "[Models](models.md#choose-models), `provider:model`, separated by commas. The next one answers if one fails.",
        (),
    )
    chat_model: str = _setting("`extractive`, or the only model. Used without CHAT_MODELS.", "extractive")
    openai_api_key: str = _setting("Key for `openai:…` models.", "", secret=True)
    openai_base_url: str = _setting("Base URL of another server with OpenAI's API.", "")
    anthropic_api_key: str = _setting("Key for `anthropic:…` models.", "", secret=True)
    anthropic_base_url: str = _setting("Base URL of another server with Anthropic's API.", "")
    google_api_key: str = _setting("Key for `google_genai:…` models.", "", secret=True)
    google_base_url: str = _setting("Base URL of another server with the Gemini API, without its version.", "")
    vertexai_project: str = _setting("Google Cloud project of `vertexai:…` models. Empty for GOOGLE_CLOUD_PROJECT.", "")
    vertexai_location: str = _setting("Location of `vertexai:…` models: a region, or `global`.", "us-central1")
    vertexai_base_url: str = _setting("Base URL of another server with the API of Vertex AI.", "")
    vertexai_service_account: str = _setting(
        "JSON key of the service account for `vertexai:…` models. Empty for the identity of Cloud Run.",
        "",
        secret=True,
    )
    azure_openai_api_key: str = _setting("Key for `azure_openai:…` models.", "", secret=True)
    azure_openai_endpoint: str = _setting("Endpoint of the Azure OpenAI resource: `https://NAME.openai.azure.com`.", "")
    azure_openai_api_version: str = _setting("Version of Azure OpenAI's API.", "2024-10-21")
    mistral_api_key: str = _setting("Key for `mistralai:…` models.", "", secret=True)
    mistral_base_url: str = _setting("Base URL of another server with Mistral's API.", "")
    ollama_base_url: str = _setting("Base URL of Ollama, for `ollama:…` models.", "http://localhost:11434")
    groq_api_key: str = _setting("Key for `groq:…` models.", "", secret=True)
    groq_base_url: str = _setting("Base URL of another server with Groq's API.", "")
    openrouter_api_key: str = _setting("Key for `openrouter:…` models.", "", secret=True)
    openrouter_base_url: str = _setting("Base URL of another server with OpenRouter's API.", "")
    openai_compatible_base_url: str = _setting(
        "Base URL of the server of `openai_compatible:…` models, such as vLLM. It usually ends in `/v1`.", ""
    )
    openai_compatible_api_key: str = _setting(
        "Key for `openai_compatible:…` models, if the server needs one.", "", secret=True
    )
    chat_first_token_s: float = _setting(
        "Time until a language model's first token. Reasoning models may be silent for long.", 45.0, "s"
    )
    chat_silence_s: float = _setting("Time between two tokens of a language model.", 45.0, "s")
    chat_timeout_s: float = _setting("Time-out of a whole answer, with all models that are tried for it.", 120.0, "s")
    chat_history_tokens: int = _setting(
        "Tokens of [earlier messages](conversations.md#what-a-model-is-given) that a language model is given.",
        4_000,
    )
    chat_titles: bool = _setting("Let a language model title conversations, from their first question.", True)
    reranker: str = _setting(
        "Model that reranks passages: `cohere:MODEL`, `jina:MODEL`, `voyage:MODEL` or `onnx:FOLDER`. Empty for none.",
        "",
    )
    reranker_base_url: str = _setting("Base URL of another server with the reranker's API.", "")
    reranker_timeout_s: float = _setting(
        "Time for reranking. A search that would take longer keeps the fused order.", 2.0, "s"
    )
    cohere_api_key: str = _setting("Key for `cohere:…` models and rerankers.", "", secret=True)
    cohere_base_url: str = _setting("Base URL of another server with Cohere's API, for `cohere:…` models.", "")
    jina_api_key: str = _setting("Key for `jina:…` rerankers.", "", secret=True)
    voyage_api_key: str = _setting("Key for `voyage:…` rerankers.", "", secret=True)
    prices: str = _setting(
        "Prices of models that are missing or different in the [table](models.md#prices): TOML text or a file.", ""
    )
    max_question_chars: int = _setting("Maximum length of a question.", 32_000, "characters")

    web_search: str = _setting(
        "Search engine for [answers from the web](web-answers.md): `tavily`, `brave`, `google` or `searxng`. Empty "
        "for the first of them that is set up.",
        "",
    )
    tavily_api_key: str = _setting("Key for Tavily.", "", secret=True)
    tavily_base_url: str = _setting("Base URL of another server with Tavily's API.", "")
    brave_api_key: str = _setting("Key for Brave Search.", "", secret=True)
    brave_base_url: str = _setting("Base URL of another server with Brave's API.", "")
    google_search_api_key: str = _setting("Key for Google's Custom Search JSON API.", "", secret=True)
    google_cse_id: str = _setting("Id of a Programmable Search Engine, which Google's API requires.", "")
    google_search_base_url: str = _setting("Base URL of another server with Google's search API.", "")
    searxng_url: str = _setting(
        "Base URL of a SearXNG instance that answers in JSON. It may have a private address, and needs no key.",
        "",
    )
    web_pages: int = _setting("Pages that an answer from the web reads, at most 20.", 6)
    web_patience_s: float = _setting(
        "Time for reading the pages of an answer. Those that are not read by then are left out.", 10.0, "s"
    )
    web_max_page_bytes: int = _setting("Maximum size of a page of the web.", 2_000_000, "bytes")
    web_blocked_hosts: tuple[str, ...] = _setting(
        "Hosts and domains, separated by commas, whose pages are not read for answers from the web.", ()
    )
    app_url: str = _setting(
        "Address of the web app, `https://headwater.example.com`, for links in mails and callbacks, and for "
        "[sign-ins to MCP servers](agents.md#sign-in-with-oauth). Empty: no links.",
        "",
    )
    smtp_url: str = _setting(
        "Server for [mails](standing-questions.md#by-mail): `smtps://USER:PASSWORD@HOST:465`, `smtp+starttls://…:587`, "
        "or `smtp://HOST:25` without TLS. Empty: no mails.",
        "",
    )
    mail_from: str = _setting("Sender of mails, such as `Headwater <answers@example.com>`.", "")
    agent_steps: int = _setting(
        "Calls of the model for one answer of an agent, at least 2. The last is for its text.", 25
    )
    agent_tokens: int = _setting("Tokens that an agent may use for one answer, input and output together.", 500_000)
    agent_cost: float = _setting("Cost of one answer of an agent, by the prices of `PRICES`, in US dollars.", 1.0)
    agent_seconds: float = _setting(
        "Time for one answer of an agent. The time in which it waits for its turn counts, the time in which it waits "
        "for a person doesn't.",
        900.0,
        "s",
    )
    sub_agent_steps: int = _setting(
        "Calls of the model for one sub-agent, at least 2. Its cost and time count for the agent's answer.", 10
    )
    sub_agent_tokens: int = _setting("Tokens that one sub-agent may use, input and output together.", 100_000)
    web_cache_hours: float = _setting("Retention of search results and pages of the web.", 24.0, "hours")

    threads: int = _setting("Short requests that an instance handles concurrently.", 8)
    long_requests: int = _setting(
        "Streams of answers and drains of tickets that an instance handles concurrently. Others get a 503.", 64
    )
    k_service: str = _setting("Set by Cloud Run in a service.", "")
    k_revision: str = _setting("Set by Cloud Run in a service: its revision.", "")
    cloud_run_job: str = _setting("Set by Cloud Run in a job.", "")
    cloud_run_execution: str = _setting("Set by Cloud Run in a job: the name of the execution.", "")
    cloud_run_task_index: int = _setting("Set by Cloud Run in a job: the index of this job worker.", 0)
    cloud_run_task_attempt: int = _setting(
        "Set by Cloud Run in a job: the number of earlier attempts of this job worker.", 0
    )
    cloud_run_task_count: int = _setting("Set by Cloud Run in a job: the number of job workers.", 1)
    log_level: str = _setting("`DEBUG`, `INFO`, `WARNING` or `ERROR`.", "INFO")
    otel_exporter_otlp_endpoint: str = _setting(
        "Base URL of an OpenTelemetry collector (OTLP over HTTP) that receives traces. Empty for no traces.", ""
    )
    otel_exporter_otlp_headers: str = _setting(
        "Headers for the collector: `name=value`, separated by commas.", "", secret=True
    )
    otel_traces_sampler: str = _setting("OpenTelemetry's name of a sampler.", "parentbased_always_on")
    otel_traces_sampler_arg: str = _setting("The sampler's argument, such as a share from 0 to 1.", "")
    otel_sdk_disabled: bool = _setting("Switches traces off.", False)
    traces_google_credentials: bool = _setting(
        "Authenticates to the collector with an access token of Google's default credentials, as "
        "`https://telemetry.googleapis.com` requires.",
        False,
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret values and the passwords in URLs. Short ones are left out: they may be words of a log line."""
        values = [(spec.metadata["secret"], str(getattr(self, spec.name))) for spec in fields(self)]
        found = [value for is_secret, value in values if is_secret]
        found += [unquote(password) for _, value in values for password in _URL_PASSWORD.findall(value)]
        return tuple(secret for secret in found if len(secret) >= _MIN_SECRET_CHARS)

    @property
    def user_agent(self) -> str:
        """The User-Agent of requests to sources."""
        return f"Headwater (+{self.fetch_contact})" if self.fetch_contact else "Headwater"

    @property
    def traces_are_on(self) -> bool:
        """Whether spans are exported."""
        return bool(self.otel_exporter_otlp_endpoint) and not self.otel_sdk_disabled

    @property
    def on_cloud_run(self) -> bool:
        """Whether this process runs on Cloud Run. A job worker started by another Cloud Run API does not."""
        return bool(self.k_service or (self.cloud_run_job and not self.run_endpoint))
