"""Pages as VitePress reads them.

- A page's title is that of its front matter, else its first H1: https://vitepress.dev/reference/frontmatter-config
- Links by file or URL, relative or from the site's root, with `.md`, `.html` or neither; a folder's page is its
  `index.md`: https://vitepress.dev/guide/markdown#links
- Containers, code groups, imported code, included files, emoji, `[[toc]]`, heading ids:
  https://vitepress.dev/guide/markdown
- Interpolation, components and script tags of Vue: https://vitepress.dev/guide/using-vue
"""

from collections.abc import Callable
from posixpath import dirname, relpath
from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, yaml


def notes(words: Words, count: int) -> list[Note]:
    """Write a site: sections with an index each."""
    sections = [f"docs/{name.replace(' ', '-')}" for name in words.names(max(2, count // 20))]
    keys = [f"{section}/index.md" for section in sections]
    for name in words.names(count - len(keys)):
        folder = words.draw.choice(sections) + words.draw.choice(["", "/api"])
        keys.append(f"{folder}/{name.replace(' ', '-')}.md")
    return [_note(words, key, keys) for key in keys]


def _note(words: Words, key: str, keys: list[str]) -> Note:
    page = Writer(key, words)
    title = words.phrase().capitalize()
    front_matter: dict[str, Any] = {"outline": "deep"}
    if words.draw.random() < 0.5:
        front_matter["title"] = title
        front_matter["head"] = [["meta", {"name": "zqname", "content": words.hidden()}]]
    else:
        page.raw(f"<script setup>\nimport {words.hidden()} from './{words.hidden()}.vue'\n</script>")
        page.heading(
            1,
            title,
            words.draw.choice(["", f" {{#{words.hidden()}}}", f' <Badge type="tip" text="{words.hidden()}" />']),
        )
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    for number, feature in enumerate(features):
        if number % 3 == 0:
            page.heading(2, words.phrase().capitalize(), words.draw.choice(["", f" {{#{words.hidden()}}}"]))
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, words.draw.choice(keys))
    if words.draw.random() < 0.1:
        page.long()
    page.link(f"[{words.phrase()}](./{words.hidden()})", None)
    return page.note(title, front_matter, yaml(front_matter))


def _link(page: Writer, words: Words, target: str) -> None:
    label = words.phrase()
    relative, root = relpath(target, dirname(page.key)), "/" + target.removeprefix("docs/")
    addresses = [relative, f"./{relative}#{words.hidden()}", root]
    if target.endswith("/index.md"):
        addresses += [root.removesuffix("index.md"), root.removesuffix(".md") + ".html"]
    else:
        for address in (relative.removesuffix(".md"), root.removesuffix(".md")):
            addresses += [address, f"{address}.html", f"{address}#{words.hidden()}", f"{address}.html?{words.hidden()}"]
    page.link(f"[{label}]({words.draw.choice(addresses)})", target)


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase, sentence = page.words.hidden, page.words.phrase, page.sentence
    return [
        lambda: page.around("::: tip\n", "\n:::"),
        lambda: page.around(f"::: details {phrase().capitalize()} {{open}}\n", "\n:::"),
        lambda: page.around("> [!WARNING]\n> "),
        lambda: page.raw(
            f"::: code-group\n\n```sh [{hidden()}]\nlamp pump\n```\n\n```sh [{hidden()}]\nlamp pump\n```\n\n:::"
        ),
        lambda: page.raw(f"<<< @/snippets/{hidden()}.js#{hidden()}{{2}}"),
        lambda: page.raw(f"<!--@include: ./{hidden()}.md-->"),
        lambda: page.raw("[[toc]]"),
        lambda: page.raw(f"{page.words.sentence()[:-1]} {{{{ {hidden()}.{hidden()} }}}} {phrase()}."),
        lambda: page.raw(f'<{hidden().title()} :options="{hidden()}" @click="{hidden()}" />'),
        lambda: page.raw(f"{page.words.sentence()[:-1]} :tada: {phrase()}."),
        lambda: page.raw(f'{page.words.sentence()[:-1]} <Badge type="info" text="{hidden()}" /> {phrase()}.'),
        lambda: page.raw(f"```js{{1,3-5}} [{hidden()}.js]\nlamp(pump) // [!code focus]\n```"),
        lambda: page.raw(f"<style module>\n.{hidden()} {{ color: red }}\n</style>"),
        lambda: page.raw(f'<div v-if="{hidden()}">\n\n{sentence()}\n\n</div>'),
    ]
