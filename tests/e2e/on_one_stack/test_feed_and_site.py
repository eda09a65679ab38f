"""Add a feed and a web site in a real browser: preview, collect, ask."""

from pathlib import Path

from tests.fakes.web_site import Page, web_site
from tests.harness.browser import browse, needs_browser
from tests.harness.stacks import RunningStack

pytestmark = needs_browser

PROSE = "It delivers nine litres of water a minute and needs 24 volts. " * 8
NOISE = "How loud is the pump? The pump is as loud as a fridge: 38 decibels at a distance of one metre. "
FEED = f"""<rss version="2.0"><channel><title>Blog</title><item><guid>noise</guid><title>How loud is the pump?</title>
<link>/blog/noise</link><description>{NOISE}{PROSE}</description></item></channel></rss>"""


def manual(title: str, text: str, links: str = "") -> Page:
    menu = '<nav><a href="/manual/">Manual</a></nav>'
    return Page(f"<title>{title}</title>{menu}<main><h1>{title}</h1><p>{text}</p>{links}</main>")


def test_feed_and_site_are_added_previewed_and_collected(stack: RunningStack, tmp_path: Path) -> None:
    with web_site() as site:
        site.pages = {
            "/blog/": Page('<link rel="alternate" type="application/rss+xml" href="/feed.xml"><h1>Blog</h1>'),
            "/feed.xml": Page(FEED, "application/rss+xml"),
            "/manual/": manual("Manual", PROSE, '<a href="pump">Pump</a> <a href="valve">Valve</a>'),
            "/manual/pump": manual("Pump", f"The pump is as loud as a fridge. {PROSE}"),
            "/manual/valve": manual("Valve", f"The valve opens to the left. {PROSE}"),
        }
        browse("add-feed-and-site", tmp_path, stack.url, site.origin, states=5, token=stack.token)
