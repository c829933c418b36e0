"""Telling a person what went wrong: one readable line first, the rest behind "Show Details", ready to copy."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

TITLE = "TumorSynth workbench"


class Messages:
    """Message boxes over one window. While `quiet` they only go to the log, so that nobody waits for a click."""

    def __init__(self, parent: QWidget, quiet: bool) -> None:
        self._parent = parent
        self._quiet = quiet
        self._trouble: QMessageBox | None = None
        self.shown: list[str] = []

    def error(self, text: str, details: str = "") -> None:
        logging.error("%s\n%s", text, details)
        self.shown.append(text)
        if not self._quiet:
            self._box(text, details).exec()

    def trouble(self, text: str, details: str) -> None:
        """Like `error`, without stopping anything; what goes wrong while the box is open is added to its details."""
        logging.error("%s\n%s", text, details)
        self.shown.append(text)
        if self._quiet:
            return
        if self._trouble is not None:
            self._trouble.setDetailedText(f"{self._trouble.detailedText()}\n{details}")
            return
        self._trouble = self._box(text, details)
        self._trouble.setModal(False)
        self._trouble.finished.connect(self._forget_trouble)
        self._trouble.show()

    def ask_what_to_do_with_changes(self) -> str:
        """ "save", "discard" or "cancel"."""
        if self._quiet:
            return "discard"
        choices = QMessageBox.StandardButton
        box = self._box("Something in the scene is not saved yet. Save it?", "")
        box.setIcon(QMessageBox.Icon.Question)
        box.setStandardButtons(choices.Save | choices.Discard | choices.Cancel)
        box.setDefaultButton(choices.Save)
        return {choices.Save: "save", choices.Discard: "discard"}.get(box.exec(), "cancel")

    def _forget_trouble(self, _: int) -> None:
        self._trouble = None

    def _box(self, text: str, details: str) -> QMessageBox:
        box = QMessageBox(QMessageBox.Icon.Warning, TITLE, text, QMessageBox.StandardButton.Ok, self._parent)
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if details:
            box.setDetailedText(details)
        return box

    def telling(self, what: str) -> AbstractContextManager[None]:
        """Whatever fails inside is told as "Could not <what>", and ends there."""
        return _Telling(self, what)

    def catch_all(self) -> Callable[[], None]:
        """Shows every exception that nobody caught, in Qt's slots and VTK's observers too; returns what undoes this."""
        before = sys.excepthook

        def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            if issubclass(kind, KeyboardInterrupt):
                before(kind, error, trace)
                return
            details = "".join(traceback.format_exception(kind, error, trace))
            self.trouble(f"Something went wrong: {error or kind.__name__}", details)

        sys.excepthook = tell

        def undo() -> None:
            sys.excepthook = before

        return undo


class _Telling:
    def __init__(self, messages: Messages, what: str) -> None:
        self._messages = messages
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        details = "".join(traceback.format_exception(kind, error, trace))
        self._messages.error(f"Could not {self._what}: {error}", details)
        return True
