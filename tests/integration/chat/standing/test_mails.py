"""Mails: sent over TLS, once, to allowed addresses, with nothing of the answer that could act."""

import email
import email.policy
import ssl
from pathlib import Path
from typing import Any

import pytest

from functions.chat.standing.delivery import smtp
from headwater.errors import PermanentError
from headwater.outbound.sockets import LimitedTLSSocket
from tests.fakes.smtp_server import PASSWORD, USER, SmtpServer, smtp_server
from tests.harness.certificates import create_authority
from tests.harness.chat_app import ChatApp
from tests.harness.standing import assert_nothing_is_open, call, create, go_on, kill_at, run_now, run_to_the_end, runs

ANN = "ann@example.com"


@pytest.fixture(autouse=True)
def _allow_domain(chat: ChatApp) -> None:
    assert chat.client.patch("/api/chat/settings", json={"mail_domains": ["Example.com"]}).status_code == 200


def read(content: bytes) -> Any:
    return email.message_from_bytes(content, policy=email.policy.default)


def test_mail_has_the_answer_as_text_and_html(chat: ChatApp, server: SmtpServer) -> None:
    question = create(chat, name="Compass:\tweekly", mail_to=[ANN, "bob@example.com", ANN])
    run = run_now(chat, question)
    assert [(each["address"], each["state"]) for each in run["deliveries"]] == [
        (ANN, "sent"),
        ("bob@example.com", "sent"),
    ]
    assert [(mail.sender, mail.recipient) for mail in server.mails] == [
        ("answers@headwater.example", ANN),
        ("answers@headwater.example", "bob@example.com"),
    ]
    message = read(server.mails[0].content)
    assert (message["From"], message["To"]) == ("Headwater <answers@headwater.example>", ANN)
    assert message["Subject"] == "Compass: weekly"
    assert message["Message-ID"] == f"<{run['id']}.0@headwater.example>"
    assert message["List-Unsubscribe"] == "<https://headwater.example/standing-questions>"
    assert "bob@" not in str(message)
    text = message.get_body(("plain",)).get_content()
    assert text.startswith("With pip [1].")
    assert "[1] Install https://headwater.example/documents/" in text
    html = message.get_body(("html",)).get_content()
    assert '<p>With pip <a href="https://headwater.example/documents/' in html
    assert "<img" not in html
    assert_nothing_is_open(chat)


def test_recipients_are_members_or_of_allowed_domains(chat: ChatApp) -> None:
    given = {"name": "n", "question": "q"}
    for address in ("eve@other.example", "ann@example.com.other.example", "ann@sub.example.com"):
        assert "are not allowed" in call(chat, "POST", status=422, mail_to=[address], **given)["detail"]
    for address in (
        "ann",
        "ann@example.com\r\nBcc: eve@other.example",
        "<ann@example.com>",
        "a@b@example.com",
        "=?utf-8?q?a?=@example.com",
    ):
        assert "not an e-mail address" in call(chat, "POST", status=422, mail_to=[address], **given)["detail"]
    values = {"w": chat.workspace_id}
    chat.rows("insert into members values (:w, 's', 'reader', 'Eve@other.example')", **values)
    question = create(chat, mail_to=["eve@other.example"])
    chat.rows("delete from members where subject = 's' and workspace_id = :w", **values)
    run = run_now(chat, question)
    assert (run["state"], run["deliveries"][0]["state"]) == ("failed", "failed")
    assert "are not allowed" in run["reason"]
    for wrong in (["x"], ["@x.example"], ["x.example/"]):
        assert chat.client.patch("/api/chat/settings", json={"mail_domains": wrong}).status_code == 422


def test_refused_recipient_is_told_and_others_get_the_mail(chat: ChatApp, server: SmtpServer) -> None:
    server.replies["RCPT"] = [b"550 no such user"]
    run = run_now(chat, create(chat, mail_to=[ANN, "bob@example.com"]))
    assert run["state"] == "failed"
    assert f"{ANN}: The mail server 127.0.0.1 refused the recipient: 550 no such user." in run["reason"]
    assert [mail.recipient for mail in server.mails] == ["bob@example.com"]
    assert_nothing_is_open(chat)


def test_mail_that_is_deferred_is_sent_later(chat: ChatApp, server: SmtpServer) -> None:
    for command in ("EHLO", "MAIL", "RCPT", "DATA", "."):
        server.mails.clear()
        server.replies[command] = [b"451 try again later"]
        server.replies["HELO"] = [b"451 try again later"] if command == "EHLO" else []
        question = create(chat, mail_to=[ANN])
        run = run_to_the_end(chat, question)
        assert (run["state"], run["deliveries"][0]["reason"]) == ("complete", None), command
        assert len(server.mails) == 1


def test_mail_with_an_unknown_result_is_sent_again_with_the_same_id(chat: ChatApp, server: SmtpServer) -> None:
    server.replies["."] = [b""]
    question = create(chat, mail_to=[ANN])
    run = run_to_the_end(chat, question)
    assert run["state"] == "complete"
    assert "may have arrived twice" in run["deliveries"][0]["reason"]
    assert len({read(mail.content)["Message-ID"] for mail in server.mails}) == 1
    assert len(server.mails) == 2


def test_mail_is_not_sent_to_an_address_that_was_removed(chat: ChatApp, server: SmtpServer) -> None:
    server.replies["RCPT"] = [b"451 later"]
    question = create(chat, mail_to=[ANN])
    assert run_now(chat, question)["state"] == "running"
    call(chat, "PATCH", f"/{question['id']}", mail_to=[])
    chat.rows("update steps set not_before = now() where state = 'ready'")
    chat.drain()
    assert "this address was deleted" in runs(chat, question)[0]["reason"]
    assert server.mails == []


def test_server_that_hangs_is_given_up_in_time(
    chat: ChatApp, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MAIL_S", 0.5)
    server.silent = "RCPT"
    run_now(chat, create(chat, mail_to=[ANN]))
    assert "did not answer in time" in chat.rows("select error from steps where state = 'ready'")[0][0]


def test_mail_is_sent_after_a_kill_at_each_commit(chat: ChatApp, server: SmtpServer) -> None:
    for at in range(8, 20, 3):
        server.mails.clear()
        question = create(chat, mail_to=[ANN])
        call(chat, "POST", f"/{question['id']}/run", status=202)
        kill_at(chat, at)
        go_on(chat)
        [run] = runs(chat, question)
        assert run["state"] == "complete"
        ids = [read(mail.content)["Message-ID"] for mail in server.mails]
        assert set(ids) == {f"<{run['id']}.0@headwater.example>"}
        is_told = "twice" in (run["deliveries"][0]["reason"] or "")
        assert len(ids) == 1 or is_told, "a second mail is told"
        assert_nothing_is_open(chat)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_tls_is_verified_and_the_user_logs_in(tmp_path: Path, scheme: str) -> None:
    authority = create_authority(tmp_path, "ca")
    with smtp_server(authority.certify("localhost"), implicit=scheme == "smtps") as server:
        url = f"{scheme}://{USER}:{PASSWORD.replace(' ', '%20').replace('+', '%2B')}@localhost:{server.port}"
        noted: list[int] = []

        def send(address: str = url, root: Path | None = authority.root) -> None:
            def context() -> Any:
                made = ssl.create_default_context(cafile=root)
                made.sslsocket_class = LimitedTLSSocket
                return made

            smtp.send_mail(
                smtp.read_server(address), "a@x.example", "b@x.example", b"Subject: x\r\n\r\ny\r\n",
                before_data=lambda: noted.append(1), context=context,
            )  # fmt: skip

        send()
        [mail] = server.mails
        assert (mail.is_encrypted, mail.user, noted) == (True, USER, [1])
        with pytest.raises(PermanentError, match="TLS certificate of the mail server localhost is not valid"):
            send(root=None)
        with pytest.raises(PermanentError, match="rejected the user or password") as refused:
            send(url.replace("pass%20", "wrong%20"))
        assert "wrong" not in str(refused.value)
        assert (len(server.mails), noted) == (1, [1])
