"""Who may get answers by mail: members whose name is an address, and the domains that a workspace's owners allow."""

import re
import uuid
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater.errors import UnprocessableContent

NO_SERVER = "This installation sends no mail. Set SMTP_URL and MAIL_FROM."

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)")


def check_address(address: str) -> str:
    """Return the domain of an address, in lower case. Raises UnprocessableContent if it is no address."""
    found = _ADDRESS.fullmatch(address)
    if found is None or ".." in address or "=?" in address or len(address) > 254:  # `=?`: an encoded word
        raise UnprocessableContent(f"mail_to: {address!r} is not an e-mail address. Enter one such as ann@example.com.")
    return found[1].lower()


def check_recipients(tx: Connection, workspace_id: uuid.UUID, addresses: Sequence[str]) -> None:
    """Raise UnprocessableContent if mails to one of these addresses are not allowed."""
    domains = {address: check_address(address) for address in addresses}
    if not domains:
        return
    allowed = {domain.lower() for domain in tx.execute(_DOMAINS, {"workspace_id": workspace_id}).scalars()}
    members = {name.lower() for name in tx.execute(_MEMBERS, {"workspace_id": workspace_id}).scalars()}
    for address, domain in domains.items():
        if domain not in allowed and address.lower() not in members:
            raise UnprocessableContent(
                f"mail_to: mails to {address} are not allowed. Recipients are members whose name is their address, and "
                "addresses of the domains that an owner has allowed (`mail_domains` of the chat settings)."
            )


_DOMAINS = sa.text("select unnest(mail_domains) from workspaces where id = :workspace_id")

_MEMBERS = sa.text("select name from members where workspace_id = :workspace_id and name like '%@%'")
