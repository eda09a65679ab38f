"""Which secrets an installation has, who may read them, and which get a value."""

from dataclasses import replace

from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.installation import Auth, Installation
from scripts.deployment.resources.secrets import plan_secrets, secrets
from tests.harness.deployment import SUPABASE, lines


def readers(installation: Installation) -> dict[str, tuple[str, ...]]:
    return {secret.setting: secret.readers for secret in secrets(installation)}


def test_secrets_are_readable_only_by_the_services_that_use_them() -> None:
    default = readers(SUPABASE)
    assert default["DATABASE_ADMIN_URL"] == ("job",)
    assert default["SECRET_KEY"] == ("collection", "job")
    assert default["AUTH_SECRET"] == ("chat", "collection", "embedding", "job")


def test_auth_secret_is_not_needed_with_a_jwks_url() -> None:
    auth = Auth(issuer="https://i.example", audience="a", jwks_url="https://i.example/jwks")
    assert "AUTH_SECRET" not in readers(replace(SUPABASE, auth=auth))


def test_provider_keys_are_readable_by_the_users_of_the_models() -> None:
    chat = readers(replace(SUPABASE, settings=(("CHAT_MODEL", "anthropic:claude, groq:llama"),)))
    assert (chat["ANTHROPIC_API_KEY"], chat["GROQ_API_KEY"]) == (("chat",), ("chat",))
    hosted = readers(replace(SUPABASE, settings=(("CHAT_MODEL", "openai:a"), ("EMBEDDING_MODEL", "openai:b"))))
    assert hosted["OPENAI_API_KEY"] == ("chat", "embedding", "job")


def test_secrets_without_a_version_get_one() -> None:
    state = CloudState(secrets={"headwater-secret-key": {}}, versions={"headwater-database-url": "3"})
    written = [line.split(" --")[0] for line in lines(plan_secrets(SUPABASE, state)) if "data-file" in line]
    assert written == [
        "gcloud secrets create headwater-database-admin-url",
        "gcloud secrets versions add headwater-secret-key",
        "gcloud secrets create headwater-auth-secret",
    ]
