"""Pages as Logseq reads them: graphs of Markdown files, every paragraph a block of a list.

- `pages/a___b.md` is the page a/b of the namespace a; `journals/2024_01_02.md` is the page "Jan 2nd, 2024":
  https://docs.logseq.com/#/page/namespaces, https://docs.logseq.com/#/page/journals
- Properties `key:: value` before the first block are the page's own; values of `alias` and `tags` are lists:
  https://docs.logseq.com/#/page/properties
- `[[page]]`, `#[[page]]`, `[label]([[page]])`, `{{embed [[page]]}}` lead to a page, by its name or an alias, in any
  case; `((id))` to a block: https://docs.logseq.com/#/page/term%2Freference
- Headings in blocks structure the outline, not the page, so they are prose here.
"""

from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, journal_title


def notes(words: Words, count: int) -> list[Note]:
    """Write a graph: pages, some in namespaces, and journals."""
    pages: dict[str, str] = {}
    for number, name in enumerate(words.names(count - count // 5)):
        title = name.title() if number % 3 else f"{name.split()[0]}/{name.split()[1]}"
        pages[f"pages/{title.replace('/', '___')}.md"] = title
    while len(pages) < count:
        date = words.date()
        pages["journals/{:04}_{:02}_{:02}.md".format(*date)] = journal_title(date)
    aliases = {key: f"{words.phrase()} {number}" for number, key in enumerate(pages) if number % 4 == 0}
    return [_note(words, key, pages, aliases) for key in pages]


def _note(words: Words, key: str, pages: dict[str, str], aliases: dict[str, str]) -> Note:
    page = Writer(key, words)
    properties: dict[str, Any] = {}
    if key in aliases:
        properties["alias"] = [aliases[key], words.phrase()]
        properties["tags"] = [words.hidden(), words.hidden()]
    if words.draw.random() < 0.3:
        properties["type"] = words.hidden()
    lines = [f"{name}:: {', '.join(value) if isinstance(value, list) else value}" for name, value in properties.items()]
    others = [other for other in pages if other != key]
    blocks: list[str] = []
    for number in range(words.draw.randint(6, 14)):
        block = _block(page, words, number)
        page.parts.clear()
        target = words.draw.choice(others)
        _link(page, words, target, pages[target], aliases.get(target))
        blocks += [f"- {block}", *(f"\t- {part}" for part in page.parts)]
    page.parts.clear()
    page.raw("\n".join(blocks))
    return page.note(pages[key], properties, "\n".join([*lines, "", ""]) if lines else "")


def _block(page: Writer, words: Words, number: int) -> str:
    sentence = page.sentence()
    hidden = words.hidden
    return [
        sentence,
        f"{sentence}\n  id:: 6566c9d8-0000-4000-8000-{number:012}\n  collapsed:: true",
        f"TODO {sentence}",
        f"DONE [#A] {sentence}\n  SCHEDULED: <2024-01-02 Tue>",
        f"## {words.phrase().capitalize()}\n\t- {sentence}",
        f"{sentence}\n  :LOGBOOK:\n  CLOCK: [2024-01-02 Tue 10:00:00]\n  :END:",
        f"{{{{query (and [[{hidden()}]] (task {hidden()}))}}}}\n\t- {sentence}",
        f"((6566c9d8-0000-4000-8000-{number:012}))\n\t- {sentence}",
        f"#{hidden()} #{hidden()}\n\t- {sentence}",
        f"{{{{video https://{hidden()}.example/{hidden()}}}}}\n\t- {sentence}",
    ][number % 10]


def _link(page: Writer, words: Words, target: str, title: str, alias: str | None) -> None:
    label = words.phrase()
    links = [
        (f"[[{title}]]", "{}"),
        (f"[[{title.lower()}]]", "{}"),
        (f"[[{title}]]", "#{}"),
        (f"[{label}]([[{title}]])", "{}"),
        (f"[[{title}]]", "{{{{embed {}}}}}"),
    ]
    if alias:
        links += [(f"[[{alias}]]", "{}"), (f"[[{alias}]]", "#{}")]
    markup, template = words.draw.choice(links)
    if " " in title and markup.startswith(f"[{label}]("):
        markup, template = f"[[{title}]]", f"[{label}]({{}})"  # the brackets in it are the link
    page.link(markup, target, template)
