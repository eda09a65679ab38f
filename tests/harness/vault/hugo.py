"""Pages as Hugo reads them: content in `content/`, front matter in YAML, TOML or JSON.

- Titles are given in front matter: https://gohugo.io/content-management/front-matter/
- `ref` and `relref` take a page's path, with or without extension and anchor: from the content's root with a leading
  slash, else relative to the page, else anywhere in the site: https://gohugo.io/shortcodes/ref/
- `content/a/b.md` is `/a/b/`; `index.md` and `_index.md` are their folder; `slug` replaces the last part of the URL,
  `url` all of it; `aliases` are further URLs, relative ones to the page's folder: https://gohugo.io/content-management/urls/
- Shortcodes with `{{< >}}` and `{{% %}}`, some of them around prose: https://gohugo.io/content-management/shortcodes/
- Heading attributes: https://gohugo.io/content-management/markdown-attributes/
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from posixpath import dirname, relpath
from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, iso, toml, yaml


@dataclass(frozen=True)
class _Page:
    key: str
    url: str
    front_matter: dict[str, Any] = field(default_factory=dict)


def notes(words: Words, count: int) -> list[Note]:
    """Write a site: sections with posts and page bundles."""
    # No two pages have one name: `ref` by a bare name would be ambiguous.
    names = [name.replace(" ", "-") for name in words.names(count)]
    sections, names = names[: max(2, count // 15)], names[max(2, count // 15) :]
    pages = [_Page(f"content/{section}/_index.md", f"/{section}/") for section in sections]
    for number, name in enumerate(names):
        section = words.draw.choice(sections)
        url = f"/{section}/{name}/"
        if number % 5 == 1:
            pages.append(_Page(f"content/{section}/{name}/index.md", url))
        elif number % 5 == 2:
            slug = f"{words.phrase().replace(' ', '-')}-{number}"
            pages.append(_Page(f"content/{section}/{name}.md", f"/{section}/{slug}/", {"slug": slug}))
        elif number % 5 == 3:
            alias = [f"/old/{number}/{name}/", f"former-{name}/"]
            pages.append(_Page(f"content/{section}/{name}.md", url, {"aliases": alias}))
        elif number % 15 == 4:
            pages.append(_Page(f"content/{section}/{name}.md", f"/moved/{name}/", {"url": f"/moved/{name}/"}))
        else:
            pages.append(_Page(f"content/{section}/{name}.md", url))
    return [_note(words, page, pages) for page in pages]


def _note(words: Words, own: _Page, pages: list[_Page]) -> Note:
    page = Writer(own.key, words)
    title = words.phrase().capitalize()
    front_matter: dict[str, Any] = {"title": title, "date": iso(words.date()), "draft": False, "weight": 10}
    front_matter |= own.front_matter
    write = words.draw.choice([yaml, toml, _json])
    if write is not _json and words.draw.random() < 0.5:
        front_matter["params"] = {"author": words.phrase()}
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    for number, feature in enumerate(features[:12]):
        if number % 3 == 0:
            suffix = words.draw.choice(
                ["", f" {{#{words.hidden()}}}", f' {{#{words.hidden()} class="{words.hidden()}"}}']
            )
            page.heading(2, words.phrase().capitalize(), suffix)
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, own, words.draw.choice(pages))
    if words.draw.random() < 0.1:
        page.long()
    page.link(f'[{words.phrase()}]({{{{< ref "{words.hidden()}.md" >}}}})', None)
    return page.note(title, front_matter, write(front_matter))


def _link(page: Writer, words: Words, own: _Page, target: _Page) -> None:
    label = words.phrase()
    path = target.key.removeprefix("content/")
    logical = path.removesuffix(".md").removesuffix("/_index").removesuffix("/index")
    refs = [f"/{path}", f"/{logical}", f"/{logical}#{words.hidden()}", path, logical]
    if not path.endswith("index.md"):
        refs += [path.rpartition("/")[2], path.rpartition("/")[2].removesuffix(".md") + f"#{words.hidden()}"]
    if dirname(target.key) == dirname(own.key):
        refs.append(f"./{path.rpartition('/')[2]}")
    name, ref = words.draw.choice(["ref", "relref"]), words.draw.choice(refs)
    open_, close = words.draw.choice([("{{<", ">}}"), ("{{%", "%}}")])
    urls = [target.url, target.url.rstrip("/"), f"{target.url}#{words.hidden()}"]
    aliases = target.front_matter.get("aliases", [])
    urls += [alias if alias.startswith("/") else f"/{dirname(path)}/{alias}" for alias in aliases]
    if words.draw.random() < 0.5:
        page.link(f'[{label}]({open_} {name} "{ref}" {close})', target.key)
    elif words.draw.random() < 0.7:
        page.link(f"[{label}]({words.draw.choice(urls)})", target.key)
    else:
        page.link(f"[{label}]({relpath(target.key, dirname(own.key))})", target.key)  # the link render hook's


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n\n"


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase, sentence = page.words.hidden, page.words.phrase, page.sentence
    return [
        lambda: page.raw(f'{{{{< figure src="{hidden()}.png" title="{hidden()}" >}}}}'),
        lambda: page.around("{{% notice note %}}\n", "\n{{% /notice %}}"),
        lambda: page.around(f'{{{{< callout type="{hidden()}" >}}}}\n', "\n{{< /callout >}}"),
        lambda: page.around("{{< tabs >}}\n\n{{< tab >}}\n", "\n{{< /tab >}}\n\n{{< /tabs >}}"),
        lambda: page.raw("<!--more-->"),
        lambda: page.raw(f"{{{{% comment %}}}} {hidden()} {hidden()} {{{{% /comment %}}}}"),
        lambda: page.raw(f"{{{{< youtube {hidden()} >}}}}"),
        lambda: page.raw('```go {linenos=table,hl_lines=[1]}\nlamp("pump")\n```'),
        lambda: page.raw("{{< highlight go >}}\nlamp(pump)\n{{< /highlight >}}"),
        lambda: page.raw(f'> {sentence()}\n{{cite="{hidden()}"}}'),
        lambda: page.raw(f"{phrase().capitalize()}\n: {sentence()}"),
        lambda: page.raw(f"{page.words.sentence()[:-1]} {{{{< param {hidden()} >}}}} {phrase()}."),
        lambda: page.raw(f'{{{{< details "{phrase()}" >}}}}\n{sentence()}\n{{{{< /details >}}}}'),
        lambda: page.raw(f"{sentence()}\n\n{{.{hidden()}}}"),
    ]
