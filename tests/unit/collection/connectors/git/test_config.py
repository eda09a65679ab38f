"""Config of a Git source, and web addresses of its documents."""

import pytest

from functions.collection.connectors.git.config import GitConfig, document_url
from functions.collection.connectors.git.connector import GitConnector
from headwater.connectors import decode_config
from headwater.errors import UnprocessableContent

SHA = "0123456789abcdef0123456789abcdef01234567"


def test_config_requires_only_a_url() -> None:
    config = decode_config(GitConnector, {"url": "https://github.com/o/r"})
    assert config == GitConfig(url="https://github.com/o/r")
    assert {"**/*.md", "**/*.mdx", "**/*.rst", "**/*.adoc"} < set(config.include)
    assert "**/*.pdf" not in config.include


def test_config_is_normalised() -> None:
    raw = {"url": " https://h.example/o/r.git/ ", "branch": "refs/heads/dev", "path": "docs/", "exclude": ["a/"]}
    assert decode_config(GitConnector, raw) == GitConfig(
        url="https://h.example/o/r.git", branch="dev", path="docs", exclude=("a/",)
    )
    assert decode_config(GitConnector, {"url": "https://h.example/r", "branch": "", "path": ""}).branch is None


@pytest.mark.parametrize(
    ("entered", "url"),
    [
        ("git@github.com:o/r.git", "ssh://git@github.com/o/r.git"),
        ("git+ssh://git@h.example:2222/~/r.git/", "ssh://git@h.example:2222/~/r.git"),
        ("h.example:o/r", "ssh://h.example/o/r"),
    ],
)
def test_addresses_of_ssh_have_one_form(entered: str, url: str) -> None:
    config = decode_config(GitConnector, {"url": entered})
    assert (config.url, config.is_ssh) == (url, True)


GITHUB_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
GITHUB_FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


@pytest.mark.parametrize(
    "entered", [GITHUB_FINGERPRINT, f"ssh-ed25519 {GITHUB_KEY}", f"github.com,140.82.121.4 ssh-ed25519 {GITHUB_KEY}"]
)
def test_host_key_is_stored_as_its_fingerprint(entered: str) -> None:
    config = decode_config(GitConnector, {"url": "git@github.com:o/r.git", "host_key": f" {entered}\n"})
    assert config.host_key == GITHUB_FINGERPRINT


def test_host_key_in_another_form_is_refused() -> None:
    with pytest.raises(UnprocessableContent, match=r"config\.host_key"):
        decode_config(GitConnector, {"url": "git@github.com:o/r.git", "host_key": "16:27:ac:a5"})


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("ssh://git:secret@github.com/o/r.git", "remove the password"),
        ("ssh://git@github.com/", "such as ssh://"),
        ("git://github.com/o/r.git", "https://github.com/o/r.git"),
        ("ftp://h.example/r", "ftp isn't supported. Use https://h.example/r."),
        ("github.com/o/r", "starts with https://"),
        ("/srv/repository", "starts with https://"),
        ("https://", "has no host"),
        ("https://h.example:port/r", "isn't a valid address"),
        ("https://h.example/r?x=1", "`git clone`"),
        ("https://h.example/r#readme", "`git clone`"),
        ("https://h.example/a b", "without spaces"),
        ("", "1 to 2000 characters"),
        ("https://github.com/o/r/tree/main/docs", "https://github.com/o/r with `branch` main and `path` docs"),
        ("https://gitlab.com/o/r/-/tree/main", "https://gitlab.com/o/r with `branch` main"),
        ("file://host/srv/repository", "three slashes"),
        ("file:relative", "three slashes"),
    ],
)
def test_unsupported_url_is_rejected_with_advice(url: str, advice: str) -> None:
    with pytest.raises(UnprocessableContent) as caught:
        decode_config(GitConnector, {"url": url})
    assert caught.value.message.startswith("config.url: ")
    assert advice in caught.value.message


@pytest.mark.parametrize("url", ["https://user:s3cret@h.example/r", "https://s3cret@h.example/r"])
def test_url_with_a_password_is_rejected_without_repeating_it(url: str) -> None:
    with pytest.raises(UnprocessableContent, match="`token`") as caught:
        decode_config(GitConnector, {"url": url})
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "path", ["../x", "docs/../../x", "..", "/etc", "\\x", "C:/x", "a//b", "./a", "a/./b", "a\x00b"]
)
def test_path_outside_the_repository_is_rejected(path: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"^config\.path: "):
        decode_config(GitConnector, {"url": "https://h.example/r", "path": path})


@pytest.mark.parametrize("branch", ["a b", "a..b", "-x", "a.lock", "a~1", "a:b", "/a", "a/", "@{u}", "x" * 300])
def test_invalid_branch_name_is_rejected(branch: str) -> None:
    with pytest.raises(UnprocessableContent, match=r"^config\.branch: "):
        decode_config(GitConnector, {"url": "https://h.example/r", "branch": branch})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({}, "url"),
        ({"url": 1}, "url"),
        ({"url": "https://h.example/r", "brunch": "x"}, "brunch"),
        ({"url": "https://h.example/r", "include": "*.md"}, "include"),
        ({"url": "https://h.example/r", "include": []}, "config.include: "),
        ({"url": "https://h.example/r", "include": ["[a"]}, "config.include: '[a'"),
        ({"url": "https://h.example/r", "exclude": ["a//b"]}, "config.exclude: 'a//b'"),
        ([], "object"),
    ],
)
def test_invalid_config_is_rejected_with_the_field(raw: object, reason: str) -> None:
    with pytest.raises(UnprocessableContent) as caught:
        decode_config(GitConnector, raw)
    assert reason in caught.value.message


def test_exclude_overrides_include() -> None:
    selector = GitConfig(url="", include=("**/*.md",), exclude=("drafts/",)).selector()
    assert [selector.excludes(path) for path in ("a/drafts/x.md", "drafts/x.md")] == [False, True]
    assert selector.includes("drafts/x.md")


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://github.com/o/r.git", f"https://github.com/o/r/blob/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://www.github.com/o/r", f"https://www.github.com/o/r/blob/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://gitlab.com/g/s/r", f"https://gitlab.com/g/s/r/-/blob/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://gitlab.example.org/g/r.git", f"https://gitlab.example.org/g/r/-/blob/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://bitbucket.org/o/r", f"https://bitbucket.org/o/r/src/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://codeberg.org/o/r", f"https://codeberg.org/o/r/src/commit/{SHA}/a%20b/%C3%BC%23.md"),
        ("https://git.example.org/r.git", None),
        ("file:///github.com/o/r", None),
    ],
)
def test_document_url_is_the_file_at_its_commit_on_known_hosts(url: str, page: str | None) -> None:
    assert document_url(url, SHA, "a b/ü#.md") == page
