"""Write a note and record what its tool reads in it.

The truth about a note is what its writer meant, not what a parser found. Prose is made of `VISIBLE` words. Everything
that a tool does not show (ids, classes, file names of images, comments, arguments of shortcodes) is made of hidden
words, which all begin with `zq`. So markup in a title, heading or quotation is recognised without a parser.
"""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_LISTS = (
    "amber brass broad calm cedar coarse copper damp deep dry early eastern fine flat former grey heavy hollow iron "
    "large late level light little long lower narrow near new northern old outer pale plain quiet rough round second "
    "short silver slow small smooth southern spare steep strong tall thin upper warm western wide",
    "anchor barge barn basin bell boiler bridge cabin canal cellar crane dam depot dock engine ferry field forge "
    "furnace garden gate granary harbour kiln ladder lamp lock mast meadow mill mine pier pump quarry quay rail ramp "
    "shed signal station stove tower track valve wagon well wharf winch workshop yard",
    "answers begins carries closes covers crosses every follows gives holds keeps leaves lifts meets moves needs "
    "opens passes reaches returns shows stands stops supplies takes turns under until with before after beside",
)
FIRST, SECOND, _OTHERS = map(str.split, _LISTS)
VISIBLE = frozenset([*FIRST, *SECOND, *_OTHERS])

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True)
class Note:
    """A file and what its tool reads in it.

    `links`: for each link, by its markup, the key of the note that it leads to, or None. `prose`: sentences without any
    markup, which can be quoted as they are.
    """

    key: str
    content: str
    title: str
    front_matter: dict[str, Any]
    headings: list[str]
    links: dict[str, str | None]
    prose: list[str]


@dataclass
class Words:
    """A seeded source of words."""

    draw: random.Random
    _hidden: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def sentence(self) -> str:
        """Write a sentence of visible words."""
        words = [self.draw.choice((FIRST, SECOND, _OTHERS)[n % 3]) for n in range(self.draw.randint(7, 13))]
        return " ".join(words).capitalize() + "."

    def phrase(self) -> str:
        """Write two or three visible words, as in a heading or label."""
        return " ".join((self.draw.choice(_OTHERS), self.draw.choice(FIRST), self.draw.choice(SECOND)))

    def hidden(self) -> str:
        """Make a word that no reader sees, never the same twice."""
        return f"zq{next(self._hidden)}"

    def names(self, count: int) -> list[str]:
        """Draw different names of two words."""
        pairs = [f"{first} {second}" for first in FIRST for second in SECOND]
        return self.draw.sample(pairs, count)

    def date(self) -> tuple[int, int, int]:
        """Draw a day: year, month, day."""
        return self.draw.randint(2015, 2025), self.draw.randint(1, 12), self.draw.randint(1, 28)


class Writer:
    """Writes one note, part by part."""

    def __init__(self, key: str, words: Words) -> None:
        self.key = key
        self.words = words
        self.parts: list[str] = []
        self.headings: list[str] = []
        self.links: dict[str, str | None] = {}
        self.prose: list[str] = []

    def raw(self, text: str) -> None:
        """Write markup that shows nothing."""
        self.parts.append(text)

    def sentence(self) -> str:
        """Make a sentence that must be quotable as it is."""
        sentence = self.words.sentence()
        self.prose.append(sentence)
        return sentence

    def paragraph(self, sentences: int = 2) -> None:
        """Write a plain paragraph."""
        self.parts.append(" ".join(self.sentence() for _ in range(sentences)))

    def heading(self, level: int, text: str, suffix: str = "") -> None:
        """Write a heading; the suffix is markup that is not part of it."""
        self.headings.append(text)
        self.parts.append(f"{'#' * level} {text}{suffix}")

    def around(self, before: str, after: str = "", indent: str = "") -> None:
        """Write a plain paragraph in a container: `before`, indented lines, `after`."""
        text = f"{indent}{self.sentence()} {self.sentence()}"
        self.parts.append(f"{before}{text}{after}")

    def long(self) -> None:
        """Write a section that fills a chunk, then a comment, an anchor and a long URL: chunks without a word?"""
        self.heading(2, self.words.phrase().capitalize())
        self.parts.append(" ".join(self.sentence() for _ in range(12)))
        self.raw(f"<!-- {self.words.hidden()}: {self.words.hidden()} {self.words.hidden()} -->")
        self.raw(f'<a id="{self.words.hidden()}"></a>')
        self.heading(2, self.words.phrase().capitalize())
        url = f"https://{self.words.hidden()}.example/#" + "".join(f"eN{n * 7919}p+U/s{n}luw=" for n in range(150))
        self.parts.append(f"[{self.words.phrase()}]({url})")
        self.paragraph()

    def link(self, markup: str, target: str | None, template: str = "{}") -> None:
        """Write a sentence with a link, unless the note has the same markup already."""
        if markup not in self.links:
            self.links[markup] = target
            phrases = self.words.phrase().capitalize(), self.words.phrase()
            self.parts.append(f"{phrases[0]} {template.format(markup)} {phrases[1]}.")

    def note(self, title: str, front_matter: dict[str, Any], head: str = "", separator: str = "\n\n") -> Note:
        """Finish the note."""
        content = head + separator.join(self.parts) + "\n"
        return Note(self.key, content, title, front_matter, self.headings, self.links, self.prose)


def yaml(values: dict[str, Any]) -> str:
    """Write YAML front matter. JSON is YAML, so scalars and lists are written as JSON."""
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()) + "---\n\n"


def toml(values: dict[str, Any]) -> str:
    """Write TOML front matter. A string that is a day is written as a TOML date."""
    lines, tables = [], []
    for key, value in values.items():
        if isinstance(value, dict):
            tables += ["", f"[{key}]", *(f"{name} = {json.dumps(inner)}" for name, inner in value.items())]
        else:
            lines.append(f"{key} = {value if key == 'date' else json.dumps(value)}")
    return "+++\n" + "\n".join([*lines, *tables]) + "\n+++\n\n"


def iso(date: tuple[int, int, int]) -> str:
    """Write a day as 2024-01-02."""
    return "{:04}-{:02}-{:02}".format(*date)


def journal_title(date: tuple[int, int, int]) -> str:
    """Write a day as Logseq names its journal page: Jan 2nd, 2024."""
    year, month, day = date
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{_MONTHS[month - 1]} {day}{ending}, {year}"
