"""Write Notion's blocks as Markdown. Pure.

Shapes: Notion API, "Block" and "Rich text". What has another form is left out.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from functions.collection.connectors.api_values import as_dict, as_list, as_text

_SYNTAX = re.compile(r"[\\`*\[<]|(?<!\w)_|_(?!\w)|~~|^(?:#(?=#{0,5}\s)|>|[-+](?=\s)|\d{1,9}[.)](?=\s))", re.MULTILINE)
_IN_TARGET = re.compile(r"[\x00-\x20<>()\\|]")
_LIST_MARKS = frozenset(("bulleted_list_item", "numbered_list_item", "to_do", "toggle"))


class Block(msgspec.Struct, frozen=True):
    """A block with the blocks in it. `data` is what the block has under the name of its kind."""

    kind: str
    data: dict[str, Any]
    children: tuple["Block", ...] = ()


def page_address(page_id: str) -> str:
    """Return the address by which links name a page: Notion's own links to pages have this form.

    >>> page_address("0F1E2D3C-4b5a-6978-8796-a5b4c3d2e1f0")
    '/0f1e2d3c4b5a69788796a5b4c3d2e1f0'
    """
    return f"/{page_id.replace('-', '').lower()}"


def write_blocks(blocks: Iterable[Block]) -> str:
    """Return blocks as Markdown."""
    pieces: list[str] = []
    previous, number = "", 0
    for block in blocks:
        number = number + 1 if block.kind == previous == "numbered_list_item" else 1
        text = _write_block(block, number)
        if not text:
            continue
        if pieces:
            is_same_list = block.kind in _LIST_MARKS and block.kind == previous
            pieces.append("\n" if is_same_list else "\n\n")
        pieces.append(text)
        previous = block.kind
    return "".join(pieces)


def _write_block(block: Block, number: int) -> str:
    kind, data = block.kind, block.data
    if kind in _LIST_MARKS:
        return _item(block, number)
    if kind in _ALONE:
        return _ALONE[kind](data)
    if kind == "table":
        return _table(block.children)
    text = _OWN_TEXT.get(kind, _paragraph)(data)
    written = _join(text, block)
    return _prefixed("> ", written) if kind in ("quote", "callout") else written


def _paragraph(data: dict[str, Any]) -> str:
    return rich_text(data.get("rich_text"))


def _heading(level: int) -> Callable[[dict[str, Any]], str]:
    def write(data: dict[str, Any]) -> str:
        text = " ".join(_paragraph(data).split())
        return f"{'#' * level} {text}" if text else ""

    return write


def _callout(data: dict[str, Any]) -> str:
    return f"{as_text(as_dict(data.get('icon')).get('emoji'))} {_paragraph(data)}".strip()


def _equation(data: dict[str, Any]) -> str:
    return f"$$\n{as_text(data.get('expression')).strip()}\n$$"


def _join(text: str, block: Block) -> str:
    """Return a block's own text with the blocks in it below."""
    return "\n\n".join(part for part in (text, write_blocks(block.children)) if part)


def _item(block: Block, number: int) -> str:
    text = _paragraph(block.data)
    mark = f"{number}. " if block.kind == "numbered_list_item" else "- "
    box = ""
    if block.kind == "to_do":
        box = "[x] " if block.data.get("checked") is True else "[ ] "
    children = write_blocks(block.children)
    lines = f"{box}{text}".split("\n")
    if children:
        is_list = block.children[0].kind in _LIST_MARKS
        lines += [*([] if is_list else [""]), *children.split("\n")]
    indent = " " * len(mark)
    return mark + "\n".join(f"{indent if index and line else ''}{line}" for index, line in enumerate(lines))


def _prefixed(prefix: str, text: str) -> str:
    return "\n".join(f"{prefix}{line}".rstrip() for line in text.split("\n")) if text else ""


def _code(data: dict[str, Any]) -> str:
    text = plain_text(data.get("rich_text"))
    language = as_text(data.get("language")).replace(" ", "-")
    language = language if language != "plain-text" and re.fullmatch(r"[\w+#.-]{1,40}", language) else ""
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    caption = rich_text(data.get("caption"))
    return f"{fence}{language}\n{text}\n{fence}" + (f"\n\n{caption}" if caption else "")


def _table(rows: Iterable[Block]) -> str:
    cells = [[_cell(cell) for cell in as_list(row.data.get("cells"))] for row in rows if row.kind == "table_row"]
    width = max(map(len, cells), default=0)
    if not width:
        return ""
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in cells]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def _cell(cell: Any) -> str:
    return " ".join(rich_text(cell).replace("|", r"\|").split())


def _page_link(data: dict[str, Any]) -> str:
    title = " ".join(as_text(data.get("title")).split())
    page_id = as_text(data.get("page_id")) or as_text(data.get("database_id")) or as_text(data.get("id"))
    return _link(_escape(title or "Linked page"), page_address(page_id)) if page_id else _escape(title)


def _file(data: dict[str, Any]) -> str:
    """Return the caption and the name of a file. Addresses of files that Notion holds expire in an hour."""
    caption = rich_text(data.get("caption"))
    name = " ".join(as_text(data.get("name")).split())
    address = as_text(as_dict(data.get("external")).get("url")) or as_text(data.get("url"))
    if address:
        return _link(caption or _escape(name) or _escape(address), address)
    return caption or _escape(name)


def rich_text(value: Any) -> str:
    """Return rich text as Markdown."""
    return "".join(_span(as_dict(span)) for span in as_list(value))


def plain_text(value: Any) -> str:
    """Return rich text as it is read."""
    return "".join(as_text(as_dict(span).get("plain_text")) for span in as_list(value))


def _span(span: dict[str, Any]) -> str:
    text = as_text(span.get("plain_text"))
    if not text.strip():
        return text
    if span.get("type") == "equation":
        return f"${as_text(as_dict(span.get('equation')).get('expression'))}$"
    start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    text = text.strip()
    style = as_dict(span.get("annotations"))
    if style.get("code") is True:
        ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
        text = f"{ticks}{text}{ticks}"
    else:
        text = _escape(text)
    for name, mark in (("bold", "**"), ("italic", "*"), ("strikethrough", "~~")):
        if style.get(name) is True and "\n" not in text:
            text = f"{mark}{text}{mark}"
    target = _target(span)
    return f"{start}{_link(text, target) if target else text}{end}"


def _target(span: dict[str, Any]) -> str:
    mention = as_dict(span.get("mention"))
    for kind in ("page", "database", "data_source"):
        if page_id := as_text(as_dict(mention.get(kind)).get("id")):
            return page_address(page_id)
    target = as_text(span.get("href"))
    found = re.match(r"(?:https?://(?:www\.)?notion\.(?:so|com)/[^?#]*?|/)([0-9a-f]{32})(?:[?#]|$)", target)
    return f"/{found[1]}" if found else target


def _link(text: str, target: str) -> str:
    target = _IN_TARGET.sub(lambda match: f"%{ord(match[0]):02X}", target.strip())
    return f"[{' '.join(text.split())}]({target})" if target else text


def _escape(text: str) -> str:
    return _SYNTAX.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", text)


_OWN_TEXT: dict[str, Callable[[dict[str, Any]], str]] = {
    **{f"heading_{level}": _heading(level) for level in range(1, 7)},
    **dict.fromkeys(("image", "video", "audio", "file", "pdf", "bookmark", "embed", "link_preview"), _file),
    "callout": _callout,
    "code": _code,
    "equation": _equation,
}
"""Texts of blocks that may have others in them; of all others, it is their rich text."""

_ALONE: dict[str, Callable[[dict[str, Any]], str]] = {
    **dict.fromkeys(("child_page", "child_database", "link_to_page"), _page_link),
    **dict.fromkeys(("breadcrumb", "table_of_contents", "unsupported"), lambda _: ""),
    "divider": lambda _: "---",
}
"""Texts of blocks without others in them."""
