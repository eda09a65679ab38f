"""Which secrets an installation has, who may read them, and which get a value."""

from dataclasses import replace

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.installation import Auth, Installation
from scripts.deployment.plan.settings import variables
from scripts.deployment.resources.foundations import apis
from scripts.deployment.resources.secrets import plan_secrets, secrets
from tests.harness.deployment import SUPABASE, lines


def readers(installation: Installation) -> dict[str, tuple[str, ...]]:
    return {secret.setting: secret.readers for secret in secrets(installation)}


def test_secrets_are_readable_only_by_the_services_that_use_them() -> None:
    default = readers(SUPABASE)
    assert default["DATABASE_ADMIN_URL"] == ("job",)
    assert default["SECRET_KEY"] == ("chat", "collection", "job")
    assert default["AUTH_SECRET"] == ("chat", "collection", "embedding", "job")


def test_auth_secret_is_not_needed_with_a_jwks_url() -> None:
    auth = Auth(issuer="https://i.example", audience="a", jwks_url="https://i.example/jwks")
    assert "AUTH_SECRET" not in readers(replace(SUPABASE, auth=auth))


def test_provider_keys_are_readable_by_the_users_of_the_models() -> None:
    chat = readers(replace(SUPABASE, settings=(("CHAT_MODEL", "anthropic:claude, groq:llama"),)))
    assert (chat["ANTHROPIC_API_KEY"], chat["GROQ_API_KEY"]) == (("chat",), ("chat",))
    several = (("CHAT_MODEL", "groq:llama"), ("CHAT_MODELS", "azure_openai:gpt,openrouter:any,ollama:own"))
    assert {"AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY"} <= set(readers(replace(SUPABASE, settings=several)))
    assert "GROQ_API_KEY" not in readers(replace(SUPABASE, settings=several))
    reranked = readers(replace(SUPABASE, settings=(("RERANKER", "voyage:rerank"),)))
    assert reranked["VOYAGE_API_KEY"] == ("chat",)
    searching = readers(replace(SUPABASE, settings=(("WEB_SEARCH", "brave"),)))
    assert searching["BRAVE_API_KEY"] == ("chat",)
    hosted = readers(replace(SUPABASE, settings=(("CHAT_MODEL", "openai:a"), ("EMBEDDING_MODEL", "openai:b"))))
    assert hosted["OPENAI_API_KEY"] == ("chat", "collection", "embedding", "job")
    cohere = readers(replace(SUPABASE, settings=(("EMBEDDING_MODEL", "cohere:embed-v4.0"), ("RERANKER", "cohere:r"))))
    assert cohere["COHERE_API_KEY"] == ("chat", "collection", "embedding", "job")


def test_vertex_ai_needs_a_role_instead_of_a_key() -> None:
    installation = replace(SUPABASE, settings=(("EMBEDDING_MODEL", "vertexai:gemini-embedding-001"),))
    state = CloudState(versions={each.name: "1" for each in secrets(installation)})
    granted = [line for line in lines(plan_secrets(installation, state)) if "roles/aiplatform.user" in line]
    assert len(granted) == 4
    assert all("projects add-iam-policy-binding" in line for line in granted)
    answers = replace(SUPABASE, settings=(("CHAT_MODELS", "openai:gpt,vertexai:gemini-2.5-pro"),))
    [binding] = [line for line in lines(plan_secrets(answers, state)) if "roles/aiplatform.user" in line]
    assert "headwater-chat@" in binding
    assert "aiplatform.googleapis.com" in apis(answers)
    assert "aiplatform.googleapis.com" in apis(installation)
    assert "aiplatform.googleapis.com" not in apis(SUPABASE)
    for reader in ("chat", "embedding", "job"):
        assert variables(reader, installation, "1")["VERTEXAI_PROJECT"] == installation.project
    assert "VERTEXAI_PROJECT" not in variables("chat", SUPABASE, "1")


def test_collector_on_the_internet_has_secret_headers() -> None:
    def asked(endpoint: str) -> bool:
        settings = (("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),)
        return "OTEL_EXPORTER_OTLP_HEADERS" in readers(replace(SUPABASE, settings=settings))

    assert asked("https://otlp.example")
    assert not asked("http://10.0.0.7:4318")


def test_installation_that_sends_mail_has_a_secret_mail_server() -> None:
    assert "SMTP_URL" not in readers(SUPABASE)
    assert readers(replace(SUPABASE, settings=(("MAIL_FROM", "a@x.example"),)))["SMTP_URL"] == ("chat",)


def test_google_gets_traces_with_the_functions_own_accounts() -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://telemetry.googleapis.com", "TRACES_GOOGLE_CREDENTIALS": "true"}
    installation = replace(SUPABASE, settings=tuple(settings.items()))
    assert "OTEL_EXPORTER_OTLP_HEADERS" not in readers(installation)
    planned = "\n".join(lines(plan_secrets(installation, CloudState())))
    assert planned.count("roles/telemetry.tracesWriter") == 4
    assert "telemetry.googleapis.com" in apis(installation)
    assert "telemetry.googleapis.com" not in apis(SUPABASE)


def test_secrets_without_a_version_get_one() -> None:
    state = CloudState(secrets={"headwater-secret-key": {}}, versions={"headwater-database-url": "3"})
    written = [line.split(" --")[0] for line in lines(plan_secrets(SUPABASE, state)) if "data-file" in line]
    assert written == [
        "gcloud secrets create headwater-database-admin-url",
        "gcloud secrets versions add headwater-secret-key",
        "gcloud secrets create headwater-auth-secret",
    ]


def test_renamed_role_gets_a_new_url_derived_from_the_owners() -> None:
    def planned(role: str, label: str) -> list[str]:
        state = CloudState(
            secrets={"headwater-database-url": {"labels": {"role": label}} if label else {}},
            versions={each.name: "1" for each in secrets(SUPABASE)},
        )
        renamed = replace(SUPABASE, settings=(("DATABASE_ROLE", role),))
        return [line for line in lines(plan_secrets(renamed, state)) if " add-iam-policy-binding " not in line]

    assert planned("app", "") == planned("two", "two") == []
    read, write, label = planned("two", "")
    assert (
        read == "gcloud secrets versions access latest --project=acme-headwater --secret=headwater-database-admin-url"
    )
    assert write.startswith("gcloud secrets versions add headwater-database-url ")
    assert label == "gcloud secrets update headwater-database-url --project=acme-headwater --update-labels=role=two"


def test_role_is_recorded_when_the_url_is_created() -> None:
    renamed = replace(SUPABASE, settings=(("DATABASE_ROLE", "two"),))
    planned = [line for line in lines(plan_secrets(renamed, CloudState())) if " headwater-database-url " in line]
    assert [line.split()[2] for line in planned[:2]] == ["create", "update"]


def test_renamed_role_on_cloud_sql_needs_no_url_of_the_owner() -> None:
    renamed = replace(SUPABASE, database="cloudsql", settings=(("DATABASE_ROLE", "two"),))
    state = CloudState(secrets={"headwater-database-url": {}}, versions={"headwater-database-url": "1"})
    assert not any("versions access" in line for line in lines(plan_secrets(renamed, state)))
