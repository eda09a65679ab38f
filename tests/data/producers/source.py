"""Read what the files of all producers say: handbook.md and deck.md as blocks, stock.json as sheets."""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENTS = HERE.parent / "documents"

Block = dict[str, Any]


def read_blocks(path: Path) -> list[Block]:
    """Return the blocks of a Markdown file that has one block between empty lines."""
    blocks: list[Block] = []
    for part in re.split(r"\n\n(?!\s)", path.read_text().strip()):
        first = part.split("\n")[0]
        if heading := re.match(r"(#+) (.*)", first):
            blocks.append({"kind": "heading", "level": len(heading[1]), "text": heading[2]})
        elif first.startswith("```"):
            blocks.append({"kind": "code", "text": part.split("\n", 1)[1].removesuffix("\n```")})
        elif first.startswith("|"):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.split("\n")]
            blocks.append({"kind": "table", "rows": [rows[0], *rows[2:]]})
        elif re.match(r"- |\d+\. ", first):
            items = [re.match(r"( *)(?:-|\d+\.) (.*)", line) for line in part.split("\n")]
            found = [{"depth": len(item[1]) // 4, "text": item[2]} for item in items if item]
            blocks.append({"kind": "list", "is_numbered": not first.startswith("-"), "items": found})
        elif first.startswith("> "):
            blocks.append({"kind": "note", "text": first[2:]})
        else:
            blocks.append({"kind": "text", "text": part})
    return blocks


def handbook() -> list[Block]:
    """Return the blocks of the handbook."""
    return read_blocks(DOCUMENTS / "handbook.md")


def deck() -> list[tuple[str, list[Block]]]:
    """Return the slides: a title and blocks each."""
    slides: list[tuple[str, list[Block]]] = []
    for block in read_blocks(HERE / "deck.md"):
        if block["kind"] == "heading":
            slides.append((block["text"], []))
        else:
            slides[-1][1].append(block)
    return slides


def sheets() -> list[dict[str, Any]]:
    """Return the sheets: a name, a caption above the table, and rows."""
    found: list[dict[str, Any]] = json.loads((HERE / "stock.json").read_text())
    return found


if __name__ == "__main__":
    print(json.dumps({"handbook": handbook(), "deck": deck(), "sheets": sheets()}))
