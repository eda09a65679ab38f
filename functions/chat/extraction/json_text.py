"""Find the JSON object in a model's text while it is written, and pass on only what parses. Pure."""

import re

MAX_CHARS = 200_000
"""Characters of an object, at most."""

CHECK_SHARE = 32
"""New text is checked once it is 1/32 of what was checked before: so all checks together read 33 times the text."""

_STRUCTURE = re.compile(r'["\\{}\[\]]')


class JsonText:
    """The JSON object in a text. Prose and fences around it are left out.

    Every cut of the UTF-8 bytes of what `feed` and `finish` have returned parses in jiter's partial mode,
    `partial_mode="trailing-strings"`, but for the empty one. The whole object may still be invalid JSON.
    """

    def __init__(self) -> None:
        self.is_broken = False
        """The text is no JSON, or it is too long. Nothing more is returned."""
        self.is_complete = False
        self._checked = ""
        self._waiting = ""
        self._open: list[str] = []
        self._in_string = False
        self._is_escaped = False

    @property
    def text(self) -> str:
        """The object so far."""
        return self._checked

    def feed(self, text: str) -> str:
        """Process more of the model's text, and return what may be sent."""
        if not self._open and not self.is_complete:
            start = text.find("{")
            text = text[start:] if start >= 0 else ""
        if self.is_broken or self.is_complete or not text:
            return ""
        self._waiting += self._within_object(text)
        if not self.is_complete and len(self._waiting) * CHECK_SHARE < len(self._checked):
            return ""
        return self.finish()

    def finish(self) -> str:
        """Return the rest of the text, if it is valid."""
        from jiter import from_json

        whole, new = self._checked + self._waiting, self._waiting
        self._waiting = ""
        if not new or self.is_broken:
            return ""
        self.is_broken = len(whole) > MAX_CHARS
        try:
            from_json(whole.encode(), allow_inf_nan=False, partial_mode="trailing-strings", cache_mode="none")
        except ValueError:  # an encoding error too
            self.is_broken = True
        if self.is_broken:
            self.is_complete = False
            return ""
        self._checked = whole
        return new

    def _within_object(self, text: str) -> str:
        """Return the text up to the end of the object."""
        position = 0
        if self._is_escaped:
            position, self._is_escaped = 1, False
        while match := _STRUCTURE.search(text, position):
            position = match.end()
            match match[0]:
                case '"':
                    self._in_string = not self._in_string
                case "\\" if self._in_string:
                    self._is_escaped = position == len(text)
                    position += 1
                case "{" | "[" as opening if not self._in_string:
                    self._open.append(opening)
                case "}" | "]" as closing if not self._in_string:
                    if self._open.pop() + closing not in ("{}", "[]"):  # jiter takes it for the end
                        self.is_broken = True
                        return text
                    if not self._open:
                        self.is_complete = True
                        return text[:position]
        return text
