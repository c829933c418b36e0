"""A small scripted module as one writes it for desktop Slicer: scales a volume. Nothing in it knows the workbench."""

import enum
import logging
from typing import Annotated

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Ends(enum.Enum):
    KEEP = "keep"
    CUT = "cut"


@parameterNodeWrapper
class BrightenParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode | None
    factor: Annotated[float, WithinRange(0, 10)] = 2.0
    invert: bool = False
    ends: Ends = Ends.KEEP


class Brighten(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Brighten")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Examples")]
        self.parent.helpText = _("Multiplies all voxels.")
        slicer.app.connect("startupCompleted()", self.onStartupCompleted)
        self.startups = 0

    def onStartupCompleted(self):
        self.startups += 1


class BrightenWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Brighten.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = BrightenLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.shortcut = qt.QShortcut(qt.QKeySequence("Ctrl+B"), self.parent)
        self.ui.shortcut.connect("activated()", self.onApplyButton)
        self.layout.addStretch(1)
        self.initializeParameterNode()

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            first = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
            if first:
                self._parameterNode.inputVolume = first

    def setParameterNode(self, node):
        if self._parameterNode and self._parameterNodeGuiTag is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._parameterNodeGuiTag = None
        self._parameterNode = node
        if node:
            self._parameterNodeGuiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def _checkCanApply(self, caller=None, event=None):
        ready = bool(self._parameterNode and self._parameterNode.inputVolume)
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Brighten it") if ready else _("Choose a volume first")

    def onApplyButton(self):
        with slicer.util.tryWithErrorDisplay(_("Brightening failed."), waitCursor=True):
            node = self._parameterNode
            node.outputVolume = self.logic.process(node.inputVolume, node.factor, node.invert, node.outputVolume)
            self.ui.statusLabel.text = _("{name} is ready").format(name=node.outputVolume.GetName())


class BrightenLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return BrightenParameterNode(super().getParameterNode())

    def process(self, inputVolume, factor, invert=False, outputVolume=None):
        if inputVolume.GetImageData() is None:
            raise ValueError("the volume is empty")
        voxels = slicer.util.arrayFromVolume(inputVolume) * (-factor if invert else factor)
        if outputVolume is None:
            name = inputVolume.GetName() + " bright"
            outputVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        slicer.util.updateVolumeFromArray(outputVolume, voxels)
        logging.info("brightened")
        return outputVolume


class BrightenTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.delayDisplay("Brightening")
        self.assertEqual(slicer.util.getModuleLogic("Brighten").moduleName, "Brighten")
