"""The keys of the reading module, wherever the mouse is; in the comment they are letters."""

import qt
import slicer


class Keys:
    def __init__(self, handlers, repeating=()):
        """`handlers`: a function for each key, by Qt's name. A held key counts once, unless it is `repeating`."""
        self._shortcuts = [self._shortcut(key, called, key in repeating) for key, called in handlers.items()]

    @staticmethod
    def _shortcut(key, called, repeats):
        shortcut = qt.QShortcut(slicer.util.mainWindow())
        shortcut.setKey(qt.QKeySequence(key))
        shortcut.setAutoRepeat(repeats)
        shortcut.setEnabled(False)
        shortcut.connect("activated()", called)
        return shortcut

    def setEnabled(self, enabled):
        for shortcut in self._shortcuts:
            shortcut.setEnabled(enabled)

    def remove(self):
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts = []
