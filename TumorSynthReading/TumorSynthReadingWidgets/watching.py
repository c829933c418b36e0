"""What the reader does in the views: scrolls, changes of brightness, first touches and, for `locate`, clicks."""

import vtk

from TumorSynthLib.scene.observations import BEFORE_SLICER, Observations

TOUCHES = (
    "LeftButtonPressEvent",
    "MiddleButtonPressEvent",
    "RightButtonPressEvent",
    "MouseWheelForwardEvent",
    "MouseWheelBackwardEvent",
    "KeyPressEvent",
)
CLICK_REACH_PX = 4
SAME_MM = 1e-3


class Watch:
    """Attached to the views and display nodes of one case."""

    def __init__(self, sliceWidgets, displays, onTouched, onScrolled, onWindowLevel, onClicked):
        self._observed = Observations()
        self._onTouched, self._onScrolled = onTouched, onScrolled
        self._onWindowLevel, self._onClicked = onWindowLevel, onClicked
        self._offsets, self._windowLevels, self._pressedAt = {}, {}, None
        for widget in sliceWidgets:
            node, interactor = widget.mrmlSliceNode(), widget.sliceView().interactor()
            self._offsets[node] = node.GetSliceOffset()
            self._observed.add(node, vtk.vtkCommand.ModifiedEvent, self._sliceModified)
            for event in TOUCHES:
                self._observed.add(interactor, event, self._touched, BEFORE_SLICER)
            self._observed.add(interactor, "LeftButtonPressEvent", self._pressed, BEFORE_SLICER)
            self._observed.add(interactor, "LeftButtonReleaseEvent", self._released, BEFORE_SLICER)
        self._nodes = {widget.sliceView().interactor(): widget.mrmlSliceNode() for widget in sliceWidgets}
        for display in displays:
            self._windowLevels[display] = (display.GetWindow(), display.GetLevel())
            self._observed.add(display, vtk.vtkCommand.ModifiedEvent, self._displayModified)

    def detach(self):
        self._observed.clear()
        self._offsets, self._windowLevels, self._nodes = {}, {}, {}

    def _touched(self, interactor, event):
        self._onTouched()

    def _sliceModified(self, node, event):
        before, now = self._offsets.get(node), node.GetSliceOffset()
        if before is not None and abs(now - before) > SAME_MM:
            self._offsets[node] = now
            self._onScrolled(node, now)

    def _displayModified(self, display, event):
        now = (display.GetWindow(), display.GetLevel())
        if now != self._windowLevels.get(display):
            self._windowLevels[display] = now
            self._onWindowLevel(display, *now)

    def expectOffset(self, node, offset):
        """A scroll that follows another one is not counted."""
        self._offsets[node] = offset

    def expectWindowLevel(self, display, window, level):
        self._windowLevels[display] = (window, level)

    # -- clicks

    def _pressed(self, interactor, event):
        self._pressedAt = interactor.GetEventPosition()

    def _released(self, interactor, event):
        """A press and a release at one place; anything else is a drag, which is Slicer's."""
        start, self._pressedAt = self._pressedAt, None
        end = interactor.GetEventPosition()
        if start is None or max(abs(a - b) for a, b in zip(start, end, strict=True)) > CLICK_REACH_PX:
            return
        point = self._nodes[interactor].GetXYToRAS().MultiplyPoint((*end, 0.0, 1.0))[:3]
        self._onClicked(point)
