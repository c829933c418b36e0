"""A report as a list of blocks, so that the web page and the printed pages say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Points:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Caution:
    text: str


@dataclass(frozen=True)
class Table:
    """The first columns, as many as `texts` says, are words, the others numbers. No head where all names are empty."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    texts: int = 1

    @property
    def has_head(self) -> bool:
        return any(self.columns)


@dataclass(frozen=True)
class Picture:
    """A figure with words for those who cannot see it."""

    name: str
    figure: Figure
    caption: str


Block = Heading | Paragraph | Points | Caution | Table | Picture


@dataclass
class Document:
    title: str
    subtitle: str
    blocks: list[Block] = field(default_factory=list)

    def add(self, *blocks: Block) -> None:
        self.blocks.extend(blocks)

    def table(self, caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> None:
        self.blocks.append(Table(tuple(columns), tuple(tuple(row) for row in rows), caption, texts))
