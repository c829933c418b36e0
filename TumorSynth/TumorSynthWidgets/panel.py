"""The panel: buttons and sections follow the editor, and tell it what was pressed."""

import math
import time
from pathlib import Path

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from TumorSynthLib.bundle import Bundle, list_bundles
from TumorSynthLib.errors import InputError
from TumorSynthLib.synthesis import DEVICES
from TumorSynthWidgets.first_run import FirstRun
from TumorSynthWidgets.lesion_panel import LesionPanel
from TumorSynthWidgets.lesion_table import LesionTable
from TumorSynthWidgets.trouble import showTrouble

PLACE_TIP = "Then click once, in any slice or 3D view, where the lesion is to be. Escape or a right click cancels."
RANDOM_TIP = "Places a lesion of random size somewhere in the brain."
DUPLICATE_TIP = "The chosen lesion once more, beside itself, with the next seed."
DELETE_TIP = "Removes the chosen lesion. Undo brings it back."
UNDO_TIP = "Takes back the last change (Ctrl+Z)."
REDO_TIP = "Does again what was undone (Ctrl+Shift+Z)."
EXPORT_TIP = "Writes image, lesion mask, intensity map and provenance into a folder, as the command line does."
MOMENT_S = 0.3
DEVICE_LABELS = {"auto": "Automatic", "cpu": "CPU", "cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)"}


class Panel:
    def __init__(self, ui, editor, widget):
        self.ui, self.editor, self.widget = ui, editor, widget
        self.table = LesionTable(ui.lesionTable, editor)
        self.lesion = LesionPanel(ui, editor, lambda: widget.settleTimer.start())
        self._chance = np.random.default_rng()
        self._workBegan, self._showsWork = None, False
        ui.progressBar.visible = False
        self.firstRun = FirstRun(ui, self.onInstalled)
        self._fillEngine()
        self._connect()
        self.shortcuts = [
            self._shortcut("Ctrl+Z", editor.undo),
            self._shortcut("Ctrl+Shift+Z", editor.redo),
            self._shortcut("Ctrl+Y", editor.redo),
        ]
        self.update()

    def _connect(self):
        ui, editor = self.ui, self.editor
        ui.sampleButton.connect("clicked()", self.onSample)
        ui.brainMaskSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onBrainMask)
        ui.segmentBox.connect("activated(int)", self.onSegment)
        ui.placeButton.connect("clicked(bool)", self.onPlace)
        ui.randomButton.connect("clicked()", lambda: self._try(editor.place_at_random, self._chance))
        ui.duplicateButton.connect("clicked()", lambda: self._try(editor.duplicate))
        ui.deleteButton.connect("clicked()", lambda: editor.delete())
        ui.undoButton.connect("clicked()", editor.undo)
        ui.redoButton.connect("clicked()", editor.redo)
        ui.beforeButton.connect("pressed()", lambda: self.widget.showInViews(before=True))
        ui.beforeButton.connect("released()", lambda: self.widget.showInViews())
        ui.bundleBox.connect("activated(int)", lambda n: self._setParameter("bundle", ui.bundleBox.itemData(n)))
        ui.deviceBox.connect("activated(int)", lambda n: self._setParameter("device", ui.deviceBox.itemData(n)))
        ui.applyButton.connect("clicked()", self.onApply)
        ui.exportButton.connect("clicked()", self.onExport)

    @staticmethod
    def _shortcut(keys, called):
        shortcut = qt.QShortcut(slicer.util.mainWindow())
        shortcut.setKey(qt.QKeySequence(keys))
        shortcut.setEnabled(False)
        shortcut.connect("activated()", called)
        return shortcut

    def setShortcutsEnabled(self, enabled):
        for shortcut in self.shortcuts:
            shortcut.setEnabled(enabled)

    def _setParameter(self, name, value):
        setattr(self.widget._parameterNode, name, value)

    def _try(self, called, *arguments):
        try:
            called(*arguments)
        except InputError as error:
            self.editor.complain(str(error))

    # -- from the panel

    def onSample(self):
        import SampleData

        node = SampleData.SampleDataLogic().downloadSample("TumorSynthSampleBrain")
        if node is not None:
            self._setParameter("host", node)

    def onBrainMask(self, node):
        if self.editor.case is None or node is self.editor.case.brain_mask_node or self._filling:
            return
        segment = None
        if node is not None and node.IsA("vtkMRMLSegmentationNode") and node.GetSegmentation().GetNumberOfSegments():
            segment = node.GetSegmentation().GetNthSegmentID(0)
        self.editor.choose_brain_mask(node, segment)

    def onSegment(self, index):
        self.editor.choose_brain_mask(self.editor.case.brain_mask_node, self.ui.segmentBox.itemData(index))

    def onPlace(self, checked):
        if checked:
            self.widget.views.startPlacing(self.onPlaced, self.update)
        else:
            self.widget.views.cancelPlacing()
        self.update()

    def onPlaced(self, worldRas):
        self._try(self.editor.place, worldRas)
        self.update()

    def onApply(self):
        if self._workIsLong():
            self.editor.cancel()
        else:
            self._workBegan = -math.inf  # asked for: no moment to wait for
            self.editor.apply()

    def onInstalled(self):
        """The packages are there now: what waited for them begins."""
        self.editor.retry()
        self.update()

    # -- to the panel

    _filling = False

    def update(self):
        self._filling = True
        self.table.update()
        self.lesion.update()
        self._updateBrain()
        self._updateButtons()
        self._updateEngine()
        self.showProgress()
        self._filling = False

    def _updateBrain(self):
        case = self.editor.case
        mask = case.brain_mask_node if case else None
        self.ui.brainMaskSelector.enabled = case is not None
        self.ui.brainMaskSelector.setCurrentNode(mask)
        isSegmentation = mask is not None and mask.IsA("vtkMRMLSegmentationNode")
        self.ui.segmentBox.visible = self.ui.segmentLabel.visible = isSegmentation
        if isSegmentation:
            segmentation = mask.GetSegmentation()
            self.ui.segmentBox.clear()
            for segmentId in segmentation.GetSegmentIDs():
                self.ui.segmentBox.addItem(segmentation.GetSegment(segmentId).GetName(), segmentId)
            self.ui.segmentBox.setCurrentIndex(self.ui.segmentBox.findData(case.brain_segment_id))
        self.ui.brainStatus.text = self._brainText()

    def _brainText(self):
        if self.editor.refusal:
            return self.editor.refusal[0].upper() + self.editor.refusal[1:] + "."
        if self.editor.brain is None:
            return _("Looking for the brain...") if self.editor.finding_brain else ""
        liters = self.editor.brain_volume_ml
        how = _("chosen mask") if self.editor.brain.method == "given" else _("found automatically")
        return _("Brain: {volume:.0f} ml, {how}.").format(volume=liters, how=how)

    def _updateButtons(self):
        ui, editor = self.ui, self.editor
        placing = self.widget.views.placing.waiting
        ui.placeButton.checked = placing
        ui.placeButton.text = _("Click in a view...") if placing else _("Place lesion")
        for button, tip in ((ui.placeButton, PLACE_TIP), (ui.randomButton, RANDOM_TIP)):
            self._allow(button, editor.why_not_place, tip)
        nothing = None if editor.chosen is not None else _("choose a lesion in the table first")
        for button, tip in ((ui.duplicateButton, DUPLICATE_TIP), (ui.deleteButton, DELETE_TIP)):
            self._allow(button, nothing, tip)
        self._allow(ui.undoButton, None if editor.can_undo else "nothing to undo", UNDO_TIP)
        self._allow(ui.redoButton, None if editor.can_redo else "nothing to redo", REDO_TIP)
        self._allow(ui.exportButton, editor.why_not_export, EXPORT_TIP)
        ui.formatBox.enabled = ui.exportButton.enabled
        for control in (ui.beforeButton, ui.fadeSlider):
            control.enabled = editor.case is not None and editor.case.outputs.result is not None
        self._updateApply()

    def _updateApply(self):
        if self._workIsLong():
            self.ui.applyButton.text = _("Cancel")
            self._allow(self.ui.applyButton, None, _("Stops at once; the lesions stay as they are."))
        else:
            self.ui.applyButton.text = _("Apply")
            self._allow(self.ui.applyButton, self.editor.why_not_apply, _("Paints all lesions in full quality."))

    def _workIsLong(self):
        """Whether it is worth a progress bar and a way to cancel: what is done in a moment would only flicker."""
        if not self.editor.at_long_work:
            self._workBegan = None
            return False
        if self._workBegan is None:
            self._workBegan = time.monotonic()
        return time.monotonic() - self._workBegan > MOMENT_S

    @staticmethod
    def _allow(button, reason, toolTip):
        """A button that cannot be pressed says why."""
        button.enabled = reason is None
        button.toolTip = toolTip if reason is None else reason[0].upper() + reason[1:] + "."

    def _fillEngine(self):
        for name in list_bundles():
            self.ui.bundleBox.addItem(f"{name}: {Bundle.find(name).description}", name)
        for label, name in (("NIfTI", "nifti"), ("DICOM", "dicom")):
            self.ui.formatBox.addItem(label, name)
        for name in DEVICES:
            self.ui.deviceBox.addItem(_(DEVICE_LABELS[name]), name)

    def _updateEngine(self):
        ui, editor = self.ui, self.editor
        ui.bundleBox.setCurrentIndex(ui.bundleBox.findData(editor.result.bundle))
        ui.deviceBox.setCurrentIndex(ui.deviceBox.findData(editor.result.device))
        inUse = editor.worker.device_in_use
        state = _("In use: {device}").format(device=inUse) if inUse else _("The networks are not loaded yet.")
        ui.engineStatus.text = state

    def showProgress(self):
        """Called again and again while there is work."""
        editor, isLong = self.editor, self._workIsLong()
        text, share = editor.worker.progress if isLong else ("", 0.0)
        if isLong != self._showsWork:
            self._showsWork = isLong
            self.ui.progressBar.visible = isLong
            self._updateApply()
        if isLong and self.ui.progressBar.value != int(100 * share):  # which draws the whole window at once
            self.ui.progressBar.value = int(100 * share)
        complaint = editor.complaint
        shown = complaint[0].upper() + complaint[1:] + "." if complaint else text or self._resultText()
        if self.ui.statusLabel.text != shown:
            self.ui.statusLabel.text = shown

    def _resultText(self):
        if self.editor.result.exported is not None:
            return _("Written: {folder}").format(folder=self.editor.result.exported)
        patch = self.editor.latest
        if patch is None:
            return ""
        kind = _("Result") if patch.quality == "full" else _("Preview")
        return _("{kind} in {seconds:.2f} s. SYNTHETIC, not for diagnosis.").format(kind=kind, seconds=patch.seconds)

    def showTrouble(self, error):
        if error.kind == "missing":
            self.firstRun.update()
            return
        showTrouble(error)
        if error.kind == "memory" and self.editor.result.device != "cpu":
            self._setParameter("device", "cpu")

    # -- export

    def onExport(self):
        start = slicer.app.userSettings().value("TumorSynth/ExportFolder", "")
        title = _("Folder to write the case into")
        parent = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title, start)
        if parent:
            slicer.app.userSettings().setValue("TumorSynth/ExportFolder", parent)
            self.exportInto(parent)

    def exportInto(self, parent):
        """A new folder for the case in `parent`, of the same layout as the command line's."""
        try:
            self.editor.export(Path(parent), self.ui.formatBox.currentData)
        except OSError as problem:
            slicer.util.errorDisplay(_("Nothing was written: {reason}").format(reason=problem))
