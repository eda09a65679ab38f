"""Pages as MkDocs reads them, with Material and the Python-Markdown extensions that it recommends.

- A page's title is that of its front matter, else its first H1, else its file's name with spaces for `-` and `_`:
  https://www.mkdocs.org/user-guide/writing-your-docs/#meta-data
- Links name files, relative to the page: https://www.mkdocs.org/user-guide/writing-your-docs/#linking-to-pages
  Absolute links are URLs of the site, whose root is `docs/`; `a/b.md` is served as `/a/b/`.
- Admonitions, tabs, annotations, buttons, abbreviations: https://squidfunk.github.io/mkdocs-material/reference/
- Definition lists, heading attributes, snippets, keys: https://python-markdown.github.io/extensions/,
  https://facelessuser.github.io/pymdown-extensions/
"""

from collections.abc import Callable
from posixpath import dirname, relpath
from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, yaml


def notes(words: Words, count: int) -> list[Note]:
    """Write a site: sections with an index or README each."""
    sections = [f"docs/{name.replace(' ', '-')}" for name in words.names(max(2, count // 20))]
    keys = [f"{section}/{'README' if n % 2 else 'index'}.md" for n, section in enumerate(sections)]
    for name in words.names(count - len(keys)):
        folder = words.draw.choice(sections) + words.draw.choice(["", "/reference"])
        keys.append(f"{folder}/{name.replace(' ', words.draw.choice('-_'))}.md")
    return [_note(words, key, keys) for key in keys]


def _note(words: Words, key: str, keys: list[str]) -> Note:
    page = Writer(key, words)
    front_matter: dict[str, Any] = {}
    name = key.rpartition("/")[2].removesuffix(".md")
    is_index = name in ("index", "README")
    kind = words.draw.randrange(2 if is_index else 3)
    title = name.replace("-", " ").replace("_", " ")
    if kind == 0:
        title = words.phrase().capitalize()
        front_matter = {"title": title, "description": words.sentence(), "hide": ["navigation"], "search": True}
    elif kind == 1:
        title = words.phrase().capitalize()
        page.heading(1, title, words.draw.choice(["", f" {{ #{words.hidden()} }}", f" {{#{words.hidden()} .zqwide}}"]))
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    for number, feature in enumerate(features[:12]):
        if number % 3 == 0:
            page.heading(2, words.phrase().capitalize(), words.draw.choice(["", f" {{ #{words.hidden()} }}"]))
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, words.draw.choice(keys))
    if words.draw.random() < 0.1:
        page.long()
    page.link(f"[{words.phrase()}](missing-{words.hidden()}.md)", None)
    return page.note(title, front_matter, yaml(front_matter) if front_matter else "")


def _link(page: Writer, words: Words, target: str) -> None:
    label, path = words.phrase(), relpath(target, dirname(page.key))
    url = "/" + target.removeprefix("docs/").removesuffix(".md") + "/"
    url = url.removesuffix("index/").removesuffix("README/")
    markups = [
        f"[{label}]({path})",
        f"[{label}](./{path})",
        f"[{label}]({path}#{words.hidden()})",
        f'[{label}]({path} "{words.phrase()}")',
        f"[**{label}**]({path})",
        f"[{label}]({url})",
        f"[{label}]({url}#{words.hidden()})",
    ]
    markup = words.draw.choice(markups)
    reference = words.hidden()
    templates = ["{}", "{}", '\n\n!!! note "Read"\n\n    See {}']
    if words.draw.random() < 0.1:
        page.link(f"[{label}][{reference}]", target)
        page.raw(f"[{reference}]: {path}")
    elif words.draw.random() < 0.1:
        page.link(markup, target, "{}{{ .zqbutton }}")
    else:
        page.link(markup, target, words.draw.choice(templates))


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase, sentence = page.words.hidden, page.words.phrase, page.sentence
    return [
        lambda: page.around(f'!!! warning "{phrase().capitalize()}"\n\n    '),
        lambda: page.around("!!! note\n\n    "),
        lambda: page.around(f'??? tip "{phrase().capitalize()}"\n\n    '),
        lambda: page.around('???+ info inline end ""\n\n    '),
        lambda: page.raw(f'=== "Linux"\n\n    {sentence()}\n\n=== "Windows"\n\n    {sentence()}'),
        lambda: page.raw(f"{phrase().capitalize()}\n:   {sentence()}\n\n{phrase().capitalize()}\n:   {sentence()}"),
        lambda: page.raw(f'``` python title="{hidden()}.py" hl_lines="2"\nprint("lamp")\n```'),
        lambda: page.raw(f"*[{hidden().upper()}]: {hidden()}"),
        lambda: page.raw(f'--8<-- "{hidden()}.md"'),
        lambda: page.raw(f"::: {hidden()}.{hidden()}\n    options:\n      show_root: {hidden()}"),
        lambda: page.raw("[TOC]"),
        lambda: page.raw(f"<!-- md:version {hidden()} -->"),
        lambda: page.raw(f":material-{hidden()}: {page.words.sentence()}"),
        lambda: page.raw(f"Press ++enter++ {phrase()} {phrase()}."),
        lambda: page.raw(f"{page.words.sentence()[:-1]} (1)\n{{ .annotate }}\n\n1.  {sentence()}"),
        lambda: page.raw(f'<div class="grid cards {hidden()}" markdown>\n\n- {sentence()}\n\n</div>'),
        lambda: page.raw(f"![{phrase()}]({hidden()}.png){{ align=left width=300 }}"),
        lambda: page.raw(f"| {phrase()} | {phrase()} |\n| --- | :-: |\n| {phrase()} | {phrase()} |\n{{ .{hidden()} }}"),
    ]
