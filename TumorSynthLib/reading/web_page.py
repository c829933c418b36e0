"""A document as one HTML file that needs no other file and no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from .document import Block, Caution, Document, Heading, Paragraph, Picture, Points, Table

_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --faint: #5c6b7a; --line: #d9e0e7; --accent: #1f5f8b; --soft: #f4f7fa; }
body { font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: var(--ink);
       max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem; background: #fff; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
.subtitle { color: var(--faint); margin: 0 0 1.5rem; }
p { max-width: 46rem; } li { max-width: 44rem; margin: .25rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0 1.2rem; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding: .4rem 0; caption-side: top; }
th, td { padding: .38rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; background: var(--soft); vertical-align: bottom; }
.words { text-align: left; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; height: auto; }
figcaption { color: var(--faint); font-size: .9rem; max-width: 46rem; }
.warning { border-left: 4px solid #c77700; background: #fff7e8; padding: .6rem 1rem; margin: .8rem 0;
           max-width: 46rem; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } figure, table { break-inside: avoid; } }
"""
_DOTS_PER_INCH = 130


def web_page(document: Document) -> str:
    """The whole page as text."""
    body = "\n".join(_block(block) for block in document.blocks)
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(document.title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{html.escape(document.title)}</h1>\n"
        f'<p class="subtitle">{html.escape(document.subtitle)}</p>\n{body}\n</body>\n</html>\n'
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{html.escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Points(items):
            return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"
        case Caution(text):
            return f'<p class="warning">{_text(text)}</p>'
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
    raise TypeError(f"no block of a document: {block!r}")


def _table(table: Table) -> str:
    head = f"<thead>{_row(table.columns, 'th', table.texts)}</thead>" if table.has_head else ""
    rows = "".join(_row(row, "td", table.texts) for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    return f'<div class="scroll"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'


def _row(cells: Sequence[str], tag: str, texts: int) -> str:
    classes = [' class="words"' if number < texts else "" for number in range(len(cells))]
    cells = [f"<{tag}{kind}>{_text(cell)}</{tag}>" for cell, kind in zip(cells, classes, strict=True)]
    return "<tr>" + "".join(cells) + "</tr>"


def _text(text: str) -> str:
    """A number and its percent sign stay on one line."""
    return html.escape(text).replace(" %", "&nbsp;%")


def _picture(picture: Picture) -> str:
    buffer = io.BytesIO()
    picture.figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = html.escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )
