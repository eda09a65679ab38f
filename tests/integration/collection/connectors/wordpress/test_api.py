"""The pages of WordPress's REST API."""

from functions.collection.connectors.wordpress.api import PER_PAGE, PostSummary, WordPressApi
from headwater.outbound.guarded_http import guarded_http
from headwater.outbound.web_client import WebClient
from tests.fakes.wordpress import wordpress


def test_page_after_a_full_last_one_is_empty() -> None:
    with wordpress() as blog, guarded_http(allow_private=True) as http:
        for number in range(PER_PAGE):
            blog.publish(number, "Text")
        api = WordPressApi(WebClient(http, max_bytes=1_000_000), blog.site.origin, None, allow_plain=True)
        found = [api.page("posts", PostSummary, per_page=PER_PAGE, page=number, _fields="id") for number in (1, 2)]
        assert [len(page.posts) for page in found] == [PER_PAGE, 0]
