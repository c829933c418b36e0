"""What the mouse and keyboard do in slice and 3D views while the module is open."""

import qt
import slicer

from TumorSynthLib.scene.keyboard import HeldKey, KeyboardControl
from TumorSynthLib.scene.placing import PlaceLesion
from TumorSynthLib.scene.slice_interaction import SliceInteraction

BEFORE_KEY = "b"
AUTOREPEAT_MS = 80


class ViewControls:
    """Attached to every view of the layout while the module is entered."""

    def __init__(self, editor, widget):
        self.editor, self.widget = editor, widget
        self.placing = PlaceLesion(slicer.mrmlScene)
        self._interactions, self._interactors = [], []
        self._attached = False
        self._releaseTimer = qt.QTimer()
        self._releaseTimer.setSingleShot(True)
        self._releaseTimer.setInterval(AUTOREPEAT_MS)
        self._releaseTimer.connect("timeout()", lambda: self.widget.showInViews())
        slicer.app.layoutManager().connect("layoutChanged(int)", self.onLayoutChanged)

    def attach(self):
        self.detach()
        self._attached = True
        manager = slicer.app.layoutManager()
        for name in manager.sliceViewNames():
            view = manager.sliceWidget(name)
            interactor = view.sliceView().interactor()
            slices = SliceInteraction(interactor, view.mrmlSliceNode(), self._lesions)
            slices.on_chosen = self.editor.choose
            self._interactions.append(slices)
            self._listen(interactor, view.mrmlSliceNode())
        for n in range(manager.threeDViewCount):
            view = manager.threeDWidget(n).threeDView()
            self._listen(view.interactor(), view.mrmlViewNode())

    def _listen(self, interactor, viewNode):
        self._interactors.append(interactor)
        self._interactions.append(KeyboardControl(interactor, viewNode, self._lesions))
        self._interactions.append(HeldKey(interactor, BEFORE_KEY, self.onBeforePressed, self.onBeforeReleased))

    def detach(self):
        self._attached = False
        for interaction in self._interactions:
            interaction.detach()
        self._interactions, self._interactors = [], []
        self.cancelPlacing()

    def onLayoutChanged(self, layout=None):
        if self._attached:
            self.attach()

    def _lesions(self):
        return self.editor.case.lesions if self.editor.case else []

    # -- before and after, by a key that is held

    def onBeforePressed(self):
        self._releaseTimer.stop()
        self.widget.showInViews(before=True)

    def onBeforeReleased(self):
        """A key that repeats looks released in between: only a release that lasts counts."""
        self._releaseTimer.start()

    # -- placing

    def startPlacing(self, onPlaced, onCancelled):
        self.placing.on_cancelled = onCancelled
        self.placing.start(onPlaced, self._interactors)

    def cancelPlacing(self):
        self.placing.cancel()
