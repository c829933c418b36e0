"""A document as A4 pages in one PDF: text, tables and figures, set from top to bottom."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .document import Block, Caution, Document, Heading, Paragraph, Picture, Points, Table

if TYPE_CHECKING:
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69
LEFT, RIGHT, TOP, BOTTOM = 0.85, 0.85, 0.85, 0.9
TEXT_WIDTH = WIDTH - LEFT - RIGHT
INK, FAINT, LINE, AMBER, SOFT = "#1c2733", "#5c6b7a", "#d9e0e7", "#c77700", "#f4f7fa"
LEADING = 1.45
_POINTS_PER_INCH = 72.0
_DOTS_PER_INCH = 220


def write_pages(document: Document, path: Path) -> None:
    from matplotlib.backends.backend_pdf import PdfPages

    facts = {"Title": document.title, "Creator": "TumorSynth", "CreationDate": None}
    with PdfPages(path, metadata=facts) as pages:
        setter = _PageSetter(pages, document.title)
        setter.text(document.title, 17, bold=True)
        setter.text(document.subtitle, 9.5, colour=FAINT)
        setter.space(0.12)
        for number, block in enumerate(document.blocks):
            if isinstance(block, Heading):
                setter.keep_together(document.blocks[number:])
            setter.block(block)
        setter.finish()


class _PageSetter:
    """Keeps the pen's height, and begins a new page where a block no longer fits. Lengths are in inches."""

    def __init__(self, pages: PdfPages, title: str) -> None:
        self._pages, self._title, self._number = pages, title, 0
        self._page: Figure | None = None
        self._pen = 0.0
        self._new_page()

    def block(self, block: Block) -> None:
        match block:
            case Heading(text, level):
                self.space(0.16 if level == 2 else 0.06)
                self.text(text, 13 if level == 2 else 10.5, bold=True)
            case Paragraph(text):
                self.text(text)
            case Points(items):
                for item in items:
                    self.text(item, indent=0.18, mark="\N{BULLET}")
                self.space(0.04)
            case Caution(text):
                self.text(text, indent=0.18, mark="!", colour=AMBER)
            case Table():
                self._table(block)
            case Picture():
                self._picture(block)

    def keep_together(self, blocks: Sequence[Block]) -> None:
        """Begins a new page unless a heading fits on this one with all up to its first table or figure."""
        height = 0.0
        for block in blocks:
            if isinstance(block, Picture):
                height += self._picture_size(block)[1] + 0.4
                break
            if isinstance(block, Table):
                height += 1.2
                break
            if not isinstance(block, Heading) and height > 2:
                break
            height += 0.4 if isinstance(block, Heading) else 0.7
        self._need(min(height, 0.6 * HEIGHT))

    def space(self, height: float) -> None:
        self._pen -= height

    def text(
        self,
        text: str,
        size: float = 9.5,
        *,
        bold: bool = False,
        colour: str = INK,
        indent: float = 0.0,
        mark: str = "",
        after: float = 0.07,
    ) -> None:
        height = size * LEADING / _POINTS_PER_INCH
        for number, line in enumerate(self._lines(text, size, bold, TEXT_WIDTH - indent)):
            self._need(height)
            self._pen -= height
            if mark and number == 0:
                self._write(LEFT, mark, size, bold=True, color=colour)
            self._write(LEFT + indent, line, size, bold=bold, color=colour)
        self.space(after)

    def finish(self) -> None:
        if self._page is None:
            return
        self._page.text(1 - RIGHT / WIDTH, 0.45 / HEIGHT, str(self._number), ha="right", size=8, color=FAINT)
        self._page.text(LEFT / WIDTH, 0.45 / HEIGHT, self._title, size=8, color=FAINT)
        self._pages.savefig(self._page)
        self._page = None

    def _new_page(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.finish()
        self._page = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        FigureCanvasAgg(self._page)
        self._number += 1
        self._pen = HEIGHT - TOP

    def _need(self, height: float) -> None:
        if self._pen - height < BOTTOM:
            self._new_page()

    def _write(self, x: float, text: str, size: float, *, bold: bool = False, **more: Any) -> None:
        assert self._page is not None
        weight = "bold" if bold else "normal"
        # Dollar signs are not formulas here.
        self._page.text(x / WIDTH, self._pen / HEIGHT, text, size=size, weight=weight, parse_math=False, **more)

    def _width(self, text: str, size: float, bold: bool = False) -> float:
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextToPath

        width, _, _ = TextToPath().get_text_width_height_descent(
            text, FontProperties(size=size, weight="bold" if bold else "normal"), ismath=False
        )
        return width / _POINTS_PER_INCH

    def _lines(self, text: str, size: float, bold: bool, width: float) -> list[str]:
        lines, line = [], ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and self._width(longer, size, bold) > width:
                lines.append(line)
                line = word
            else:
                line = longer
        return [*lines, line]

    # -- tables and figures

    def _table(self, table: Table) -> None:
        size = 8.5
        widths = self._column_widths(table, size)
        if sum(widths) > TEXT_WIDTH:
            size *= TEXT_WIDTH / sum(widths)
            widths = self._column_widths(table, size)
        row_height = size * 1.75 / _POINTS_PER_INCH
        self._need(min(len(table.rows) + 2, 12) * row_height + 0.3)
        if table.caption:
            self.text(table.caption, 8.5, colour=FAINT, after=0.02)
        rows = [table.columns, *table.rows] if table.has_head else list(table.rows)
        for number, row in enumerate(rows):
            if self._pen - row_height < BOTTOM:
                self._new_page()
            self._row(row, table.texts, widths, size, row_height, head=table.has_head and number == 0)
        self.space(0.16)

    def _column_widths(self, table: Table, size: float) -> list[float]:
        pad = 0.16 * size / 8.5
        columns = zip(table.columns, *table.rows, strict=True)
        return [max(self._width(cell, size, bold=n == 0) for n, cell in enumerate(cells)) + pad for cells in columns]

    def _row(
        self, cells: tuple[str, ...], texts: int, widths: list[float], size: float, height: float, head: bool = False
    ) -> None:
        from matplotlib.patches import Rectangle

        assert self._page is not None
        self._pen -= height
        base = self._pen
        if head:
            box = (LEFT / WIDTH, base / HEIGHT), sum(widths) / WIDTH, height / HEIGHT
            self._page.add_artist(Rectangle(*box, transform=self._page.transFigure, color=SOFT, zorder=-1))
        self._pen = base + 0.3 * height
        x = LEFT
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            if number < texts:
                self._write(x + 0.04, cell, size, bold=head, color=INK)
            else:
                self._write(x + width - 0.04, cell, size, bold=head, color=INK, ha="right")
            x += width
        self._pen = base
        self._rule(LEFT, x, base)

    def _rule(self, left: float, right: float, y: float) -> None:
        from matplotlib.lines import Line2D

        assert self._page is not None
        ends = [left / WIDTH, right / WIDTH], [y / HEIGHT, y / HEIGHT]
        self._page.add_artist(Line2D(*ends, transform=self._page.transFigure, color=LINE, linewidth=0.7))

    def _picture_size(self, picture: Picture) -> tuple[float, float]:
        width, height = picture.figure.get_size_inches()
        shrunk = min(1.0, TEXT_WIDTH / width)
        return width * shrunk, height * shrunk

    def _picture(self, picture: Picture) -> None:
        """The figure as a sharp picture; its own size, or the page's width."""
        from matplotlib import image

        buffer = io.BytesIO()
        picture.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH)
        buffer.seek(0)
        width, height = self._picture_size(picture)
        self._need(height + 0.4)
        assert self._page is not None
        self._pen -= height
        axes = self._page.add_axes((LEFT / WIDTH, self._pen / HEIGHT, width / WIDTH, height / HEIGHT))
        axes.imshow(image.imread(buffer), interpolation="antialiased")
        axes.set_axis_off()
        self.text(picture.caption, 8.5, colour=FAINT, after=0.14)
