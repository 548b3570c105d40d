"""Evidence: what shows that an effect happened. A dataclass of its route in the code, JSON in the ledger.

Each field is a key of the JSON. Fields are only added, each with a default, and no key changes: the ledger holds what
earlier versions stored, and the version before reads what this one stores. Evidence holds nothing personal.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from datetime import datetime
from typing import Any, Final, Self

from pydantic import TypeAdapter

#: In the metadata of a field: its key in the JSON, if that is not its name.
KEY: Final = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Base of all evidence."""

    @property
    def lets_receiver_act(self) -> bool:
        """Whether it is stored right before the receiver can act on the upload."""
        return False

    def to_json(self) -> dict[str, object]:
        """The fields that have a value, as the ledger stores them."""
        values = {_key(field): getattr(self, field.name) for field in fields(self)}
        return {
            key: value.isoformat() if isinstance(value, datetime) else value
            for key, value in values.items()
            if value is not None
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Self:
        """Read stored evidence; keys without a field are ignored."""
        values = {field.name: stored.get(_key(field)) for field in fields(cls)}
        present = {name: value for name, value in values.items() if value is not None}
        return TypeAdapter(cls).validate_python(present)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartEvidence(Evidence):
    """Evidence of a start, on every route."""

    #: Status of the send, in the vendor's words.
    status: str


def _key(field: Field[Any]) -> str:
    key: str = field.metadata.get(KEY, field.name)
    return key
