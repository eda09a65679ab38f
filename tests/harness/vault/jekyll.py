"""Pages as Jekyll reads them, with the plugins of GitHub Pages.

- Titles: front matter, else the first H1 (jekyll-titles-from-headings); a post's is made of its file's name:
  https://jekyllrb.com/docs/posts/, https://github.com/benbalter/jekyll-titles-from-headings
- `_posts/2024-01-02-name.md` is `/2024/01/02/name.html`; a collection's `_docs/name.md` is `/docs/name.html`;
  `permalink` is the URL: https://jekyllrb.com/docs/permalinks/
- `{% link path %}` from the site's root, `{% post_url 2024-01-02-name %}`: https://jekyllrb.com/docs/liquid/tags/
- `{{ "/url" | relative_url }}`: https://jekyllrb.com/docs/liquid/filters/
- `redirect_from`, one or several former URLs: https://github.com/jekyll/jekyll-redirect-from
- Relative links to files: https://github.com/benbalter/jekyll-relative-links
- Attribute lists `{: .class}`, table of contents, comments: https://kramdown.gettalong.org/syntax.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from posixpath import dirname, relpath
from typing import Any

from tests.harness.vault.notes import Note, Words, Writer, iso, yaml


@dataclass(frozen=True)
class _Page:
    key: str
    url: str
    front_matter: dict[str, Any] = field(default_factory=dict)


def notes(words: Words, count: int) -> list[Note]:
    """Write a site: posts, a collection and pages."""
    pages: list[_Page] = []
    for number, phrase in enumerate(words.names(count)):
        name = phrase.replace(" ", "-")
        if number % 4 == 0:
            date = words.date()
            pages.append(_Page(f"_posts/{iso(date)}-{name}.md", "/{:04}/{:02}/{:02}/".format(*date) + f"{name}.html"))
        elif number % 4 == 1:
            pages.append(_Page(f"_docs/{name}.md", f"/docs/{name}.html"))
        elif number % 8 == 2:
            url = f"/help/{name}/"
            pages.append(_Page(f"pages/{name}.md", url, {"permalink": url}))
        elif number % 8 == 6:
            former: Any = f"/former/{name}/" if number % 16 == 6 else [f"/former/{name}", f"/older/{name}.html"]
            pages.append(_Page(f"guide/{name}.md", f"/guide/{name}.html", {"redirect_from": former}))
        else:
            pages.append(_Page(f"guide/{name}.md", f"/guide/{name}.html"))
    return [_note(words, page, pages) for page in pages]


def _note(words: Words, own: _Page, pages: list[_Page]) -> Note:
    page = Writer(own.key, words)
    is_post = own.key.startswith("_posts")
    title = words.phrase().capitalize()
    front_matter: dict[str, Any] = {"layout": "zqlayout", **own.front_matter}
    kind = words.draw.randrange(3)
    if kind == 0 and is_post:
        title = own.key.rpartition("/")[2].removesuffix(".md")[11:].replace("-", " ")
    elif kind == 1 and not is_post:
        page.heading(1, title)
    else:
        front_matter["title"] = title
    page.paragraph()
    features = _features(page)
    words.draw.shuffle(features)
    for number, feature in enumerate(features):
        if number % 3 == 0:
            suffix = words.draw.choice(["", f" {{#{words.hidden()}}}", f"\n{{: #{words.hidden()} .{words.hidden()}}}"])
            page.heading(2, words.phrase().capitalize(), suffix)
        feature()
        if number % 2:
            page.paragraph()
        _link(page, words, own, words.draw.choice(pages))
    page.link(f"[{words.phrase()}]({{% link {words.hidden()}.md %}})", None)
    return page.note(title, front_matter, yaml(front_matter))


def _link(page: Writer, words: Words, own: _Page, target: _Page) -> None:
    label, url = words.phrase(), target.url
    destinations = [
        f"{{% link {target.key} %}}",
        f"{{{{ site.baseurl }}}}{{% link {target.key} %}}#{words.hidden()}",
        url,
        url.removesuffix(".html"),
        f"{{{{ site.baseurl }}}}{url}",
        f"{{{{ '{url}' | relative_url }}}}",
        f'{{{{ "{url}" | absolute_url }}}}#{words.hidden()}',
        relpath(target.key, dirname(own.key)),
    ]
    if target.key.startswith("_posts/"):
        name = target.key.removeprefix("_posts/").removesuffix(".md")
        destinations += [f"{{% post_url {name} %}}", f"{{{{ site.baseurl }}}}{{% post_url {name} %}}"]
    former = target.front_matter.get("redirect_from", [])
    destinations += [former] if isinstance(former, str) else former
    destination = words.draw.choice(destinations)
    if words.draw.random() < 0.1:
        reference = words.hidden()
        page.link(f"[{label}][{reference}]", target.key)
        page.raw(f"[{reference}]: {destination}")
    else:
        page.link(f"[{label}]({destination})", target.key, words.draw.choice(["{}", "{}{{:.zqbutton}}"]))


def _features(page: Writer) -> list[Callable[[], None]]:
    hidden, phrase, sentence = page.words.hidden, page.words.phrase, page.sentence
    return [
        lambda: page.raw(f"* TOC\n{{:toc .{hidden()}}}"),
        lambda: page.raw(f'{{% include {hidden()}.html content="{hidden()} {hidden()}" %}}'),
        lambda: page.raw("{% highlight ruby linenos %}\nlamp pump\n{% endhighlight %}"),
        lambda: page.around("", f"\n{{: .{hidden()} #{hidden()}}}"),
        lambda: page.raw(f"{{% comment %}} {hidden()} {hidden()} {{% endcomment %}}"),
        lambda: page.raw(f"{{% if site.{hidden()} %}}\n{sentence()}\n{{% endif %}}"),
        lambda: page.raw(f"{page.words.sentence()[:-1]} {{{{ site.{hidden()} }}}} {phrase()}."),
        lambda: page.raw(f"{{::comment}}\n{hidden()} {hidden()}\n{{:/comment}}"),
        lambda: page.raw(f"{{% assign {hidden()} = site.{hidden()} %}}"),
        lambda: page.raw(f"![{phrase()}]({{{{ '/assets/{hidden()}.png' | relative_url }}}})"),
        lambda: page.raw(f"{phrase().capitalize()}\n: {sentence()}"),
        lambda: page.raw(f"{{: .note }}\n> {sentence()}"),
    ]
