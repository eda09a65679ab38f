"""Notes as Obsidian reads them.

- A note's name is its file's name. Links name it from anywhere; of several, the nearest is meant. Case does not matter.
  https://help.obsidian.md/links, https://help.obsidian.md/embeds
- Block identifiers, comments `%%`, highlights, callouts, tags: https://help.obsidian.md/obsidian-flavored-markdown
- Properties (YAML), of which `aliases` and `tags` are lists: https://help.obsidian.md/properties
- Files that are not notes, by suffix: https://help.obsidian.md/file-formats
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.harness.vault.notes import Note, Words, Writer, yaml

TWINS = "Settings"
"""Each area has a note of this name, and links within an area mean its own."""


def notes(words: Words, count: int) -> list[Note]:
    """Write a vault: areas with folders, a note of the same name in each area."""
    areas = [name.title() for name in words.names(max(2, count // 25))]
    keys = [f"{area}/Reference/{TWINS}.md" for area in areas]
    for number, name in enumerate(words.names(count - len(keys))):
        title = f"v1.{number} {name}" if number % 9 == 0 else name.capitalize()
        folder = words.draw.choice(areas) + words.draw.choice(["", "/Daily work", "/Reference"])
        keys.append(f"{folder}/{title}.md")
    return [_note(words, key, keys, areas) for key in keys]


def _note(words: Words, key: str, keys: list[str], areas: list[str]) -> Note:
    page = Writer(key, words)
    name = _name(key)
    front_matter: dict[str, Any] = {}
    if words.draw.random() < 0.6:
        front_matter = {"aliases": [words.phrase()], "tags": ["zq/tag"], "cssclasses": ["zqwide"]}
    if words.draw.random() < 0.5:
        page.heading(1, name)
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    others = [other for other in keys if _name(other) != TWINS]
    for number, feature in enumerate(features):
        if number % 3 == 0:
            page.heading(2, words.phrase().capitalize())
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, words.draw.choice(others))
    if words.draw.random() < 0.1:
        page.long()
    own = f"{key.partition('/')[0]}/Reference/{TWINS}.md"
    page.link(f"[[{TWINS}]]", own)
    other = words.draw.choice(areas)
    page.link(f"[[{other}/Reference/{TWINS}|{words.phrase()}]]", f"{other}/Reference/{TWINS}.md")
    page.link(f"[[{words.phrase()} missing]]", None)
    page.raw("`[[" + _name(words.draw.choice(others)) + "]]`")
    return page.note(name, front_matter, yaml(front_matter) if front_matter else "")


def _link(page: Writer, words: Words, target: str) -> None:
    name, label = _name(target), words.phrase()
    folder = target.split("/")[-2]
    ups = "../" * page.key.count("/")
    markups = [
        f"[[{name}]]",
        f"[[{name.upper()}|{label}]]",
        f"[[{name}#{words.phrase().capitalize()}|{label}]]",
        f"[[{name}#^{words.hidden()}|{label}]]",
        f"[[{folder}/{name}|{label}]]",
        f"[[{target}|{label}]]",
        f"[[{target.removesuffix('.md')}|{label}]]",
        f"![[{name}]]",
        f"![[{name}#{words.phrase().capitalize()}]]",
        f"![[{name}#^{words.hidden()}]]",
        f"[{label}]({ups}{quote(target)})",
        f"[{label}](<{ups}{target}>)",
        f"[{label}]({quote(target)})",
    ]
    page.link(words.draw.choice(markups), target)


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase = page.words.hidden, page.words.phrase
    return [
        lambda: page.around(f"> [!warning] {phrase().capitalize()}\n> "),
        lambda: page.around(f"> [!tip]- {phrase().capitalize()}\n> "),
        lambda: page.raw(f"%% {hidden()} {hidden()} is not shown. %%"),
        lambda: page.raw(f"%%\n{hidden()} is not shown, and neither is {hidden()}.\n%%"),
        lambda: page.around("", f" ^{hidden()}"),
        lambda: page.raw(f"{page.words.sentence()} %%{hidden()}%%"),
        lambda: page.raw(f"The =={phrase()}== {phrase()} {phrase()}."),
        lambda: page.raw(f"![[{hidden()}.png|300]]"),
        lambda: page.raw(f"![[{hidden()}.pdf#page=3]]"),
        lambda: page.raw(f"- [ ] {page.sentence()}\n- [x] {page.sentence()}"),
        lambda: page.raw(f"#{hidden()} #{hidden()}/{hidden()}"),
        lambda: page.raw(f"{page.words.sentence()[:-1]}.[^{(note := hidden())}]\n\n[^{note}]: {page.sentence()}"),
        lambda: page.raw(f"```dataview\nTABLE {hidden()} FROM #{hidden()}\n```"),
        lambda: page.raw(f"<!-- {hidden()} {hidden()} -->"),
    ]


def _name(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".md")
