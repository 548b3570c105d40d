"""What every error of the catalogue has: typed fields, a code, a summary, a remedy, and a base class for retries."""

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from functools import partial
from inspect import cleandoc
from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(kw_only_default=True, eq_default=False)
class BridgeError(Exception):
    """Base of the catalogue; never raised itself.

    A subclass becomes a dataclass with keyword-only fields. The first paragraph of its docstring is the template of
    its summary: what happened. `remedy` is the template of what to do next.
    """

    #: What an operator searches for. Only an entry has one; a family has none.
    code: ClassVar[str]
    #: What happened, with fields in braces; taken from the docstring.
    summary: ClassVar[str]
    #: What to do next, with fields in braces.
    remedy: ClassVar[str]

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, *, code: str | None = None) -> None:
        """Make the subclass a dataclass whose docstring is its summary; a `code` makes it an entry."""
        super().__init_subclass__()
        if code is not None:
            cls.code = code
        cls.summary = cleandoc(cls.__doc__ or "").partition("\n\n")[0]
        dataclass(kw_only=True, eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        super().__init__(f"{self.summary} {self.remedy}".format_map(self.fields()))

    def __str__(self) -> str:
        """Summary and remedy, then the code in brackets."""
        return f"{self.sentence} [{self.code}]"

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()], dict[str, Any]]:
        """An exception is copied with its positional arguments; this one is made of its fields."""
        return partial(type(self), **self.fields()), (), self.__dict__

    @property
    def sentence(self) -> str:
        """What happened and what to do next, without the code."""
        return str(self.args[0])

    def fields(self) -> dict[str, Any]:
        """What the error is about, by name. To decide anything, read the typed fields instead."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def log_context(self) -> dict[str, str]:
        """Fields of a log line about this error."""
        return {"code": self.code}


class TerminalError(BridgeError):
    """A retry of the same step cannot help: somebody has to change something first."""


class TransientError(BridgeError):
    """The same step may succeed later: it is retried with growing pauses."""
