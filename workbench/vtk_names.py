"""Qt's keys and mouse buttons in VTK's words, and VTK's cursors in Qt's."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

BUTTONS = {
    Qt.MouseButton.LeftButton: "Left",
    Qt.MouseButton.MiddleButton: "Middle",
    Qt.MouseButton.RightButton: "Right",
}
# In the order of VTK's own constants, VTK_CURSOR_DEFAULT to VTK_CURSOR_CROSSHAIR.
CURSORS = (
    Qt.CursorShape.ArrowCursor,
    Qt.CursorShape.ArrowCursor,
    Qt.CursorShape.SizeBDiagCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeBDiagCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeVerCursor,
    Qt.CursorShape.SizeHorCursor,
    Qt.CursorShape.SizeAllCursor,
    Qt.CursorShape.PointingHandCursor,
    Qt.CursorShape.CrossCursor,
)
_NAMED_KEYS = {
    Qt.Key.Key_Left: "Left",
    Qt.Key.Key_Right: "Right",
    Qt.Key.Key_Up: "Up",
    Qt.Key.Key_Down: "Down",
    Qt.Key.Key_PageUp: "Prior",
    Qt.Key.Key_PageDown: "Next",
    Qt.Key.Key_Home: "Home",
    Qt.Key.Key_End: "End",
    Qt.Key.Key_Insert: "Insert",
    Qt.Key.Key_Delete: "Delete",
    Qt.Key.Key_Backspace: "BackSpace",
    Qt.Key.Key_Return: "Return",
    Qt.Key.Key_Enter: "Return",
    Qt.Key.Key_Escape: "Escape",
    Qt.Key.Key_Tab: "Tab",
    Qt.Key.Key_Shift: "Shift_L",
    Qt.Key.Key_Control: "Control_L",
    Qt.Key.Key_Alt: "Alt_L",
    **{getattr(Qt.Key, f"Key_F{number}"): f"F{number}" for number in range(1, 13)},
}
_NAMED_CHARACTERS = {
    " ": "space",
    "!": "exclam",
    '"': "quotedbl",
    "#": "numbersign",
    "$": "dollar",
    "%": "percent",
    "&": "ampersand",
    "'": "apostrophe",
    "(": "parenleft",
    ")": "parenright",
    "*": "asterisk",
    "+": "plus",
    ",": "comma",
    "-": "minus",
    ".": "period",
    "/": "slash",
    ":": "colon",
    ";": "semicolon",
    "<": "less",
    "=": "equal",
    ">": "greater",
    "?": "question",
    "@": "at",
    "[": "bracketleft",
    "\\": "backslash",
    "]": "bracketright",
    "^": "asciicircum",
    "_": "underscore",
    "`": "quoteleft",
    "{": "braceleft",
    "|": "bar",
    "}": "braceright",
    "~": "asciitilde",
}


def key_symbol(event: QKeyEvent) -> tuple[str, str]:
    """VTK's key code (one ASCII character, or "\\0") and key symbol ("Left", "plus", "a", ...) of a key event."""
    named = _NAMED_KEYS.get(Qt.Key(event.key()))
    if named is not None:
        return "\0", named
    text = event.text()
    # With Ctrl held the text is a control character; the key itself is meant.
    if (not text or ord(text[0]) < 32) and 32 <= event.key() < 127:
        text = chr(event.key()).lower()
    if not text or ord(text[0]) > 126:
        return "\0", "None"
    return text[0], _NAMED_CHARACTERS.get(text[0], text[0])


def qt_cursor(vtk_cursor: int) -> Qt.CursorShape:
    return CURSORS[vtk_cursor] if 0 <= vtk_cursor < len(CURSORS) else Qt.CursorShape.ArrowCursor
