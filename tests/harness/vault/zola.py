"""Pages as Zola reads them: TOML front matter, content in `content/`.

- `@/a/b.md` is the file `content/a/b.md`, with or without an anchor: https://www.getzola.org/documentation/content/linking/
- Titles are given in front matter; `slug` and `path` change the URL, `aliases` are further URLs; a date before a file's
  name is not part of it: https://www.getzola.org/documentation/content/page/
- Shortcodes `{{ name(a="b") }}` and `{% name() %}` prose `{% end %}`:
  https://www.getzola.org/documentation/content/shortcodes/
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, iso, toml


@dataclass(frozen=True)
class _Page:
    key: str
    url: str
    front_matter: dict[str, Any] = field(default_factory=dict)


def notes(words: Words, count: int) -> list[Note]:
    """Write a site: sections with pages, some dated, and page folders."""
    sections = [name.replace(" ", "-") for name in words.names(max(2, count // 15))]
    pages = [_Page(f"content/{section}/_index.md", f"/{section}/") for section in sections]
    for number, phrase in enumerate(words.names(count - len(pages))):
        name, section = phrase.replace(" ", "-"), words.draw.choice(sections)
        folder, url = f"content/{section}", f"/{section}/{name}/"
        if number % 6 == 1:
            pages.append(_Page(f"{folder}/{name}/index.md", url))
        elif number % 6 == 2:
            pages.append(_Page(f"{folder}/{iso(words.date())}-{name}.md", url))
        elif number % 6 == 3:
            slug = f"{words.phrase().replace(' ', '-')}-{number}"
            pages.append(_Page(f"{folder}/{name}.md", f"/{section}/{slug}/", {"slug": slug}))
        elif number % 6 == 4:
            pages.append(_Page(f"{folder}/{name}.md", f"/moved/{name}/", {"path": f"moved/{name}"}))
        elif number % 6 == 5:
            pages.append(_Page(f"{folder}/{name}.md", url, {"aliases": [f"old/{number}/{name}"]}))
        else:
            pages.append(_Page(f"{folder}/{name}.md", url))
    return [_note(words, page, pages) for page in pages]


def _note(words: Words, own: _Page, pages: list[_Page]) -> Note:
    page = Writer(own.key, words)
    title = words.phrase().capitalize()
    front_matter: dict[str, Any] = {"title": title, "date": iso(words.date()), "draft": False} | own.front_matter
    front_matter["taxonomies"] = {"tags": ["zqtag"]}
    if own.key.endswith("_index.md"):
        front_matter = {"title": title, "sort_by": "date"}
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    for number, feature in enumerate(features):
        if number % 3 == 0:
            suffix = words.draw.choice(["", f" {{#{words.hidden()}}}", f" {{#{words.hidden()} .{words.hidden()}}}"])
            page.heading(2, words.phrase().capitalize(), suffix)
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, words.draw.choice(pages))
    page.link(f"[{words.phrase()}](@/{words.hidden()}.md)", None)
    return page.note(title, front_matter, toml(front_matter))


def _link(page: Writer, words: Words, target: _Page) -> None:
    label, path = words.phrase(), target.key.removeprefix("content/")
    addresses = [f"@/{path}", f"@/{path}#{words.hidden()}", target.url, target.url.rstrip("/")]
    addresses += [f"/{alias}" for alias in target.front_matter.get("aliases", [])]
    page.link(f"[{label}]({words.draw.choice(addresses)})", target.key)


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase, sentence = page.words.hidden, page.words.phrase, page.sentence
    return [
        lambda: page.raw(f'{{{{ youtube(id="{hidden()}", autoplay=true) }}}}'),
        lambda: page.around(f'{{% quote(author="{hidden()}") %}}\n', "\n{% end %}"),
        lambda: page.raw("<!-- more -->"),
        lambda: page.raw(f'```rust,linenos,hl_lines=1,name={hidden()}.rs\nlamp("pump");\n```'),
        lambda: page.raw(f"{page.words.sentence()[:-1]}.[^1]\n\n[^1]: {sentence()}"),
        lambda: page.raw(f'{page.words.sentence()[:-1]} {{{{ icon(name="{hidden()}") }}}} {phrase()}.'),
        lambda: page.raw(f"{{# {hidden()} {hidden()} #}}"),
        lambda: page.raw(f"| {phrase()} | {phrase()} |\n| --- | --- |\n| {phrase()} | {phrase()} |"),
        lambda: page.raw(f"![{phrase()}]({hidden()}.png)"),
    ]
