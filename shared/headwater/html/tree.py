"""Read an HTML page into a tree of elements, and remove what no reader needs. Pure."""

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

TOO_DEEP = "elements nested deeper than 256 levels were left out"
_NEUTRAL = re.compile(
    r"</?(?:div|span|font|center|section|b|i|u|em|strong|small|big|nobr)\b[^<>]{0,2000}>", re.IGNORECASE
)
_LINE_NUMBERS = re.compile(r"(?:^|\s)(?:linenos?|linenodiv|gutter|rouge-gutter|line-numbers?(?:-rows)?|ln)(?:\s|$)")
_SCRIPTS = ("script", "style", "noscript", "template", "iframe")
_PERMALINKS = frozenset(("", "#", "¶", "§", "🔗"))
_BOILERPLATE = ("nav", "footer", "aside", "form", "dialog")
_NAMES = re.compile(
    r"(?:^|[\s_-])(?:side-?bar|breadcrumbs?|pagination|pager|share|sharing|social|related(?:-posts)?|newsletter|cookies?"
    r"|comments?|toc|table-of-contents|edit-(?:this-)?page|skip-link|sr-only|advert\w*|promo|copy-?(?:btn|button))(?:[\s_-]|$)",
    re.IGNORECASE,
)
"""Classes and ids of what isn't content."""
_NAMED = frozenset(("div", "section", "ul", "ol", "p", "a", "span", "button"))
_MAX_SHARE = 0.3
"""What looks like it but has more than this share of the text is content after all."""
_ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "complementary", "dialog", "menu"))


def read_tree(text: str, warnings: list[str]) -> Any:
    """Read a page; None if it has no element. If elements nest too deep, those without a meaning are left out."""
    tree, is_cut = _parse(text)
    if is_cut:
        tree, is_cut = _parse(_NEUTRAL.sub(" ", text))
    if is_cut:
        warnings.append(TOO_DEEP)
    return tree


def _parse(text: str) -> tuple[Any, bool]:
    """Parse HTML. Returns the tree, and whether libxml2 has given up at its limit of depth."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(text.encode(errors="replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None, False
    return tree, len(parser.error_log.filter_types(etree.ErrorTypes.ERR_RESOURCE_LIMIT)) > 0


def remove_scripts(tree: Any) -> None:
    """Remove scripts, styles, permalinks of headings, line numbers of code, and the table of contents."""
    for element in list(tree.iter(*_SCRIPTS)):
        element.drop_tree()
    contents = tree.xpath("//*[@role='doc-toc'][1]")
    if contents and len(contents[0].text_content()) <= _MAX_SHARE * len(tree.text_content()):
        contents[0].drop_tree()
    for element in list(tree.iter("a")):
        if "#" in element.get("href", "") and element.text_content().strip() in _PERMALINKS and not len(element):
            element.drop_tree()
    for element in list(tree.iter("td", "span", "div", "a")):
        if (name := element.get("class")) and _LINE_NUMBERS.search(name) and _is_in_code(element):
            element.drop_tree()


def remove_boilerplate(root: Any) -> None:
    """Remove menus, footers, side bars, forms, what is named like them, and hidden elements, below an element."""
    most = _MAX_SHARE * len(root.text_content())
    for element in list(root.iterdescendants()):
        is_in_tree = element.getparent() is not None and isinstance(element.tag, str)
        if is_in_tree and is_boilerplate(element) and len(element.text_content()) <= most:
            element.drop_tree()


def remove_hidden(root: Any) -> None:
    """Remove the elements below an element that readers don't see."""
    for element in list(root.iterdescendants()):
        if isinstance(element.tag, str) and element.getparent() is not None and _is_hidden(element):
            element.drop_tree()


def resolve_links(root: Any, base: str) -> None:
    """Resolve links against the page's base URL; those on its host become paths from the root of the site."""
    origin = urlsplit(base)[:2]
    for link in root.iter("a"):
        target = link.get("href", "").strip()
        if target.startswith("#"):
            continue
        try:
            parts = urlsplit(urljoin(base, target))
        except ValueError:
            continue
        link.set(
            "href", parts._replace(scheme="", netloc="").geturl() or "/" if parts[:2] == origin else parts.geturl()
        )


def is_boilerplate(element: Any) -> bool:
    """Return True if an element is hidden, or looks like a menu, a footer, a side bar or a form."""
    if element.tag == "header":
        is_of_page = next(element.iterancestors("article", "main"), None) is None
        return is_of_page and next(element.iter("h1"), None) is None
    if element.tag in _BOILERPLATE or element.get("role") in _ROLES or _is_hidden(element):
        return True
    names = f"{element.get('class', '')} {element.get('id', '')}"
    return element.tag in _NAMED and _NAMES.search(names) is not None


def _is_hidden(element: Any) -> bool:
    style = element.get("style")
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or (style is not None and "display:none" in style.replace(" ", "").lower())
    )


def _is_in_code(element: Any) -> bool:
    return next(element.iterancestors("pre", "code"), None) is not None or next(element.iter("pre"), None) is not None
