"""The routes of share links."""

from functions.chat.conversations.conversations import read_title
from functions.chat.sharing import links
from functions.chat.sharing.links import CreatedShareLink, NewShareLink, SharedConversation, ShareLinkList
from headwater.conversations import check_conversation_id
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.web.app import Call, Reply, Route


class ShareRoutes:
    """Handlers that share conversations, and the one that opens a link."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def routes(self) -> list[Route]:
        """Return the routes."""
        links_path = "/api/conversations/<id>/links"
        return [
            Route(
                "POST",
                links_path,
                self.create_share_link,
                "Share a conversation",
                body=NewShareLink,
                returns=CreatedShareLink,
                status=201,
            ),
            Route(
                "GET", links_path, self.list_conversation_links, "List a conversation's links", returns=ShareLinkList
            ),
            Route("GET", "/api/share-links", self.list_share_links, "List share links", returns=ShareLinkList),
            Route("DELETE", "/api/share-links/<uuid:id>", self.revoke_share_link, "Revoke a share link", status=204),
            Route(
                "GET",
                "/api/shared/<uuid:id>",
                self.get_shared_conversation,
                "Open a share link",
                returns=SharedConversation,
                access="link",
            ),
        ]

    def create_share_link(self, call: Call) -> Reply:
        """Create a link that shows the conversation as it is now, without sign-in, until it expires.

        The response is the only one that contains the link's token.
        """
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            created = links.create_link(tx, call.caller, conversation_id, call.body)
        return Reply(created, 201, {"Cache-Control": "no-store"})

    def list_conversation_links(self, call: Call) -> ShareLinkList:
        """List the links to a conversation that have not expired, newest first."""
        conversation_id = check_conversation_id(call.path["id"])
        with self.database.transaction(call.workspace_id) as tx:
            read_title(tx, call.caller, conversation_id)
            return links.read_links(tx, call.caller, conversation_id)

    def list_share_links(self, call: Call) -> ShareLinkList:
        """List the caller's links that have not expired, newest first; owners get those of the whole workspace."""
        with self.database.transaction(call.workspace_id) as tx:
            return links.read_links(tx, call.caller)

    def revoke_share_link(self, call: Call) -> None:
        """Revoke a link, effective immediately. Owners may revoke links of other members."""
        with self.database.transaction(call.workspace_id) as tx:
            links.revoke_link(tx, call.caller, call.path["id"])

    def get_shared_conversation(self, call: Call) -> Reply:
        """Read a shared conversation, as it was when it was shared. Send the link's token as the bearer token."""
        token = call.request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        with self.database.transaction(ALL_WORKSPACES) as tx:
            shared = links.open_link(tx, call.path["id"], token)
        # Browsers ask again each time, so that a revoked link shows nothing.
        return Reply(shared, headers={"Cache-Control": "private, no-cache", "Vary": "Authorization"})
