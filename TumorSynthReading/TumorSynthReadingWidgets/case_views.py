"""One case in the slice views: its images, the study's brightness, linked scrolling, and nothing that names a file."""

import qt
import slicer

from TumorSynthReadingWidgets import layouts
from TumorSynthReadingWidgets.volumes import NAMES, addNode, addVolume, removeNode
from TumorSynthReadingWidgets.watching import Watch

MIDDLE = (0.0, 0.0, 0.0)
ONE_GESTURE_MS = 400  # a drag changes the brightness many times, and counts once
NARROWEST = 1.0


class CaseViews:
    def __init__(self, scene):
        self._scene = scene
        self.onTouched = lambda: None
        self.onScrolled = lambda steps: None
        self.onWindowLevel = lambda window, level: None
        self.onPoint = lambda point: None
        self._volumes, self._windowLevel, self._changed = [], (1.0, 0.0), None
        self._watch, self._marker, self._before = None, None, None
        self._gesture = qt.QTimer()
        self._gesture.setSingleShot(True)
        self._gesture.setInterval(ONE_GESTURE_MS)
        self._gesture.connect("timeout()", self.flush)
        self._columns = [layouts.LEFT_VIEWS]
        self.takesPoints = False

    # -- the window as reading needs it, and as it was before

    def begin(self, images):
        """The layout and the mouse mode for reading: a left drag changes the brightness."""
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        before = (layouts.show(images), interaction.GetCurrentInteractionMode())
        if self._before is None and not layouts.isOurs(before[0]):
            self._before = before
        interaction.SetCurrentInteractionMode(interaction.AdjustWindowLevel)
        self._columns = [layouts.LEFT_VIEWS, layouts.RIGHT_VIEWS][:images]
        slicer.app.processEvents()  # the views get their sizes
        slicer.util.mainWindow().activateWindow()  # new views may have taken the keys for a moment

    def end(self):
        if self._before is not None:
            layout, mode = self._before
            self._before = None
            slicer.app.layoutManager().setLayout(layout)
            slicer.app.applicationLogic().GetInteractionNode().SetCurrentInteractionMode(mode)

    def _widgets(self):
        manager = slicer.app.layoutManager()
        return [manager.sliceWidget(name) for column in self._columns for name in column]

    # -- showing

    def show(self, paths, window, level):
        """The images of a case, in place of those before."""
        self.remove()
        self._windowLevel = (window, level)
        for path, name in zip(paths, NAMES[len(paths)], strict=True):
            self._volumes.append(addVolume(path, name, window, level))
        self.unhide()
        self.reset()

    def remove(self):
        """Nothing of the case stays in the scene."""
        self._stopWatching()
        self._removeMarker()
        self._setBackgrounds(hidden=True)
        for node in self._volumes:
            removeNode(node)
        self._volumes = []

    @property
    def isLost(self):
        """Whether somebody closed the scene under the case."""
        return any(not self._scene.IsNodePresent(node) for node in self._volumes)

    def hide(self):
        self._stopWatching()
        self._setBackgrounds(hidden=True)
        self._showMarker(False)

    def unhide(self):
        self._setBackgrounds(hidden=False)
        self._showMarker(True)
        self._startWatching()

    def reset(self):
        """The lesion in the middle, the whole image in every view, the study's brightness."""
        self._stopWatching()
        for number, widget in enumerate(self._widgets()):
            logic, node = widget.sliceLogic(), widget.mrmlSliceNode()
            node.SetOrientation(layouts.PLANES[number % 3])
            logic.FitSliceToBackground()
            node.JumpSliceByCentering(*MIDDLE)
        for display in self._displays():
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(*self._windowLevel)
        self._startWatching()

    def draw(self):
        """Now, so that loading ends here and reading begins."""
        for widget in self._widgets():
            widget.sliceView().forceRender()

    def _setBackgrounds(self, hidden):
        images = self._volumes or [None]
        for number, widget in enumerate(self._widgets()):
            if widget is None:
                continue
            volume = None if hidden else images[min(number // 3, len(images) - 1)]
            composite = widget.sliceLogic().GetSliceCompositeNode()
            if composite is not None:
                composite.SetBackgroundVolumeID(volume.GetID() if volume is not None else None)
                composite.SetForegroundVolumeID(None)
                composite.SetLabelVolumeID(None)

    def _displays(self):
        return [node.GetDisplayNode() for node in self._volumes if node.GetDisplayNode() is not None]

    # -- what the reader does in the views

    def _startWatching(self):
        self._stopWatching()
        self._watch = Watch(
            self._widgets(), self._displays(), self._touched, self._scrolled, self._brightness, self._clicked
        )

    def _stopWatching(self):
        self.flush()
        if self._watch is not None:
            self._watch.detach()
            self._watch = None

    def _touched(self):
        self.onTouched()

    def _scrolled(self, node, offset):
        self.onScrolled(1)
        if len(self._columns) == 2:
            name = node.GetLayoutName()
            left, right = self._columns
            partner = right[left.index(name)] if name in left else left[right.index(name)]
            other = slicer.app.layoutManager().sliceWidget(partner).mrmlSliceNode()
            if other.GetOrientation() == node.GetOrientation():
                self._watch.expectOffset(other, offset)
                other.SetSliceOffset(offset)

    def _brightness(self, display, window, level):
        self._changed = (window, level)
        self.onTouched()
        self._gesture.start()
        for other in self._displays():
            if other is not display:
                self._watch.expectWindowLevel(other, window, level)
                other.SetWindowLevel(window, level)

    def flush(self):
        """A change of brightness that is not told yet is told now."""
        self._gesture.stop()
        if self._changed is not None:
            changed, self._changed = self._changed, None
            self.onWindowLevel(*changed)

    def _clicked(self, point):
        if self.takesPoints:
            self.onPoint(point)

    # -- the same by keys

    def scroll(self, plane, steps):
        """Slices of one plane, in steps of a voxel."""
        if not self._volumes:
            return
        widget = self._widgets()[plane]
        step = min(self._volumes[0].GetSpacing())
        node = widget.mrmlSliceNode()
        node.SetSliceOffset(node.GetSliceOffset() + steps * step)

    def changeBrightness(self, windowFactor=1.0, levelShare=0.0):
        for display in self._displays()[:1]:  # the other image follows
            window = max(display.GetWindow() * windowFactor, NARROWEST)
            display.SetAutoWindowLevel(False)
            display.SetWindowLevel(window, display.GetLevel() + levelShare * window)

    def zoom(self, factor):
        for widget in self._widgets():
            node = widget.mrmlSliceNode()
            x, y, z = node.GetFieldOfView()
            node.SetFieldOfView(x / factor, y / factor, z)
        self.onTouched()

    def crossing(self):
        """Where the three planes of the (left) image meet."""
        axial, sagittal, coronal = (widget.mrmlSliceNode().GetSliceOffset() for widget in self._widgets()[:3])
        return (sagittal, coronal, axial)

    # -- the point of an answer

    def mark(self, point):
        self._removeMarker()
        node = addNode("vtkMRMLMarkupsFiducialNode", "Answer")
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetSliceProjection(True)
        display.SetPointLabelsVisibility(False)
        node.AddControlPointWorld(*point)
        node.SetLocked(True)
        self._marker = node

    def _showMarker(self, shown):
        if self._marker is not None and self._marker.GetDisplayNode() is not None:
            self._marker.GetDisplayNode().SetVisibility(shown)

    def _removeMarker(self):
        if self._marker is not None:
            removeNode(self._marker)
            self._marker = None
