"""Exports of WordPress (WXR), written by hand."""

HEAD = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<!-- generator -->\n<rss version="2.0" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:wp="http://wordpress.org/export/1.2/">\n'
    "<channel><title>Pumps &amp; Co</title>"
)


def item(title: str, content: str, link: str | None = None, **fields: str) -> str:
    """Write a post. `fields` are those of WordPress's own namespace."""
    own = {"status": "publish", "post_type": "post", "post_date": "2024-05-06 10:00:00", **fields}
    rest = "".join(f"<wp:{name}><![CDATA[{value}]]></wp:{name}>" for name, value in own.items())
    link = f"https://x.y/{len(content)}" if link is None else link
    return (
        f"<item><title>{title}</title><link>{link}</link><dc:creator>ann</dc:creator>"
        f'<category domain="category" nicename="a">Pumps</category><category domain="post_tag">yard</category>'
        f"<content:encoded><![CDATA[{content}]]></content:encoded>{rest}</item>"
    )


def export(*items: str) -> bytes:
    """Write an export of posts."""
    return f"{HEAD}{''.join(items)}</channel></rss>".encode()
