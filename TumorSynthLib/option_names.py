"""What people call the fields of Appearance: units in a name are for the code, `blend-width` is for people."""

from __future__ import annotations

from .parameters import ranges


def option_name(field: str) -> str:
    return field.removesuffix("_mm").replace("_", "-")


APPEARANCE_FIELDS = {option_name(field): field for field in ranges()}
