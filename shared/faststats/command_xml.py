"""Commands of FastStats and PeopleStage: XML from outside, which is not trusted."""

import re
from dataclasses import dataclass
from typing import Final, Self
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

#: Longest command that is read, in characters. Real commands have a few thousand.
MAX_COMMAND: Final = 1_000_000

_STEP: Final = r"[^\W\d][\w.-]*"
_PATH: Final = re.compile(rf"{_STEP}(?:/{_STEP})*")


class CommandUnreadable(ValueError):
    """A command is not XML, or XML that is not safe to read. The message says which."""


@dataclass(frozen=True, slots=True)
class XmlPath:
    """The path to an element; or several, of which the first that has a text is used. Namespaces are ignored."""

    alternatives: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `Parent/Child` or `One | Other/Child`.

        Raises:
            ValueError: the text is anything else, such as an XPath expression.
        """
        alternatives = tuple(path.strip() for path in text.split("|"))
        if not all(_PATH.fullmatch(path) for path in alternatives):
            raise ValueError("a path is element names separated by /; several paths are separated by |")
        return cls(alternatives)

    def __str__(self) -> str:
        return " | ".join(self.alternatives)

    def find(self, element: Element) -> Element | None:
        """The first element that a path leads to."""
        return next((match for path in self._searched() if (match := element.find(path)) is not None), None)

    def text(self, element: Element) -> str:
        """The first text that a path leads to, stripped; empty where there is none."""
        texts = ((element.findtext(path) or "").strip() for path in self._searched())
        return next(filter(None, texts), "")

    def _searched(self) -> list[str]:
        return ["/".join("{*}" + step for step in path.split("/")) for path in self.alternatives]


def parse_command(text: str | None) -> Element:
    """The root element of a command.

    Raises:
        CommandUnreadable: it is missing, too long, not well-formed, or declares a document type.
    """
    if not text:
        raise CommandUnreadable("it has none")
    if len(text) > MAX_COMMAND:
        raise CommandUnreadable(f"it is longer than {MAX_COMMAND} characters")
    try:
        # A document type could declare entities that expand without limit, or that name files and addresses.
        root: Element = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError):
        raise CommandUnreadable("it is not well-formed XML") from None
    return root


def whole_number(text: str) -> int | None:
    """A whole number as commands write it; None when it is not one, or too large for a column."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
