"""The TumorSynth module of 3D Slicer: drag three spheres in a brain MRI, and see a synthetic tumor grow there."""

import importlib.util
import os
import shutil
import sys
import time
from typing import Annotated

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

HERE = os.path.dirname(os.path.abspath(__file__))
if importlib.util.find_spec("TumorSynthLib") is None:  # run from a clone: the library lies one folder up
    sys.path.insert(0, os.path.dirname(HERE))

POLL_MS = 10
SETTLED_AFTER_MS = 400
SAMPLE_NAME = "TumorSynthSampleBrain"


class TumorSynth(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("TumorSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["TumorSynth contributors"]
        self.parent.helpText = _(
            "Places realistic, annotated synthetic tumors into a brain MRI by dragging three concentric spheres. "
            "Synthetic images are for research and teaching, not for diagnosis."
        )
        self.parent.acknowledgementText = _("The sample brain is from the studyforrest project.")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """The sample brain, in the Sample Data module's list."""
    import SampleData

    from TumorSynthLib.sample import SAMPLE_BRAIN

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="TumorSynth",
        sampleName=SAMPLE_NAME,
        uris=SAMPLE_BRAIN.as_uri(),
        fileNames=SAMPLE_BRAIN.name,
        nodeNames="Sample brain",
        thumbnailFileName=os.path.join(HERE, "Resources", "Icons", "TumorSynthSampleBrain.png"),
        loadFileType="VolumeFile",
    )


@parameterNodeWrapper
class TumorSynthParameterNode:
    """What is set about the module as a whole. What is set about a lesion is kept with the lesion."""

    host: slicer.vtkMRMLScalarVolumeNode
    showMap: bool = False
    mapOpacity: Annotated[float, WithinRange(0, 1)] = 0.5
    showOutline: bool = True
    showFill: bool = False
    showSurface: bool = True
    showSpheres: bool = True
    fade: Annotated[float, WithinRange(0, 1)] = 1.0
    live: bool = True
    bundle: str = "default"
    device: str = "auto"


class TumorSynthWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Connects the panel with the lesion editor; each part of the panel has a file of its own beside this one."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.editor = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/TumorSynth.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = TumorSynthLogic()
        self._makeEditor()
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self.onNodeAboutToBeRemoved)
        self.initializeParameterNode()

    def _makeEditor(self):
        from TumorSynthWidgets import panel, views

        from TumorSynthLib.scene.lesion_editor import LesionEditor

        self.editor = LesionEditor(slicer.mrmlScene, self.logic.worker)
        self.views = views.ViewControls(self.editor, self)
        self.panel = panel.Panel(self.ui, self.editor, self)
        self.editor.on_changed = self.onEditorChanged
        self.editor.on_patch = self.onPatch
        self.editor.on_trouble = self.panel.showTrouble
        self.logic.onSynthesized = self.editor.take_up
        self.pollTimer = self._timer(POLL_MS, self.onPoll)
        self.settleTimer = self._timer(SETTLED_AFTER_MS, self.editor.settle, once=True)

    @staticmethod
    def _timer(milliseconds, called, once=False):
        timer = qt.QTimer()
        timer.setInterval(milliseconds)
        timer.setSingleShot(once)
        timer.connect("timeout()", called)
        return timer

    # -- Slicer's events

    def cleanup(self):
        self.removeObservers()
        self.views.detach()
        self.pollTimer.stop()
        self.settleTimer.stop()
        self.editor.release()
        self.logic.close()

    def enter(self):
        self.initializeParameterNode()
        self.views.attach()
        self.panel.setShortcutsEnabled(True)

    def exit(self):
        self._disconnectParameterNode()
        self.views.detach()
        self.panel.setShortcutsEnabled(False)

    def onSceneStartClose(self, caller, event):
        self._disconnectParameterNode()
        self.views.cancelPlacing()
        self.editor.release()
        self.editor.forget_history()

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, caller, event):
        from TumorSynthLib.scene.case import SceneCase

        self.editor.release()
        for case in SceneCase.all_in(slicer.mrmlScene):
            case.attach()
        self._disconnectParameterNode()
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        """The first volume that is loaded while none is chosen becomes the host, once it is complete."""
        if node.IsA("vtkMRMLScalarVolumeNode") and self._parameterNode is not None:
            qt.QTimer.singleShot(0, self.chooseFirstVolume)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller, event, node):
        if self.editor.case is not None and node is self.editor.case.host:
            self.editor.release()

    def onPoll(self):
        if not self.editor.poll():
            self.pollTimer.stop()
        self.panel.showProgress()

    def onEditorChanged(self):
        if self.editor.at_work or self.logic.worker.busy:
            self.pollTimer.start()
        self.panel.update()

    def onPatch(self, patch):
        self.showInViews()

    def isBusy(self):
        """Whether something is still to come, for those who take a picture of it."""
        return bool(self.editor.at_work or self.logic.worker.busy)

    # -- parameters

    def initializeParameterNode(self):
        self.setParameterNode(self.logic.getParameterNode())
        self.chooseFirstVolume()

    def chooseFirstVolume(self):
        from TumorSynthLib.scene.host_volume import why_not

        if self._parameterNode is None or self._parameterNode.host is not None:
            return
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            if why_not(node) is None:
                self._parameterNode.host = node
                return

    def setParameterNode(self, parameterNode):
        self._disconnectParameterNode()
        self._parameterNode = parameterNode
        if parameterNode is not None:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self.onParametersChanged()

    def _disconnectParameterNode(self):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = None

    def onParametersChanged(self, caller=None, event=None):
        parameters = self._parameterNode
        self.editor.live = parameters.live
        self.editor.use_engine(parameters.bundle, parameters.device)
        before = self.editor.case
        self.editor.choose_host(parameters.host)
        self.showInViews(everywhere=self.editor.case is not before)

    def showInViews(self, before=False, everywhere=False):
        """The chosen host's views as the View section asks."""
        from TumorSynthLib.scene import display

        if self.editor.case is None or self._parameterNode is None:
            return
        p = self._parameterNode
        wanted = display.Wanted(
            map_opacity=p.mapOpacity if p.showMap else 0.0,
            outline=p.showOutline,
            fill=p.showFill,
            surface=p.showSurface,
            spheres=p.showSpheres,
            fade=0.0 if before else p.fade,
        )
        display.show(self.editor.case, wanted, everywhere)


class TumorSynthLogic(ScriptedLoadableModuleLogic):
    """For the panel and for Python: `slicer.util.getModuleLogic("TumorSynth")`."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._worker = None
        self.onSynthesized = lambda sceneCase: None

    def getParameterNode(self):
        return TumorSynthParameterNode(super().getParameterNode())

    @property
    def worker(self):
        """The process that keeps the networks warm; begun on first use."""
        from TumorSynthLib.background.process import SynthesisProcess

        if self._worker is None:
            self._worker = SynthesisProcess(python=shutil.which("PythonSlicer"))  # None outside Slicer: this Python
        return self._worker

    def synthesize(self, volumeNode, spheresNode, **options):
        """A lesion in a volume: the voxels that the panel and the command line make of the same spheres and seed.

        `spheresNode` is a fiducial list of a center and two or more rims, or a list of these for several lesions; the
        module's own spheres nodes bring their settings along. Options: `seed`, `structure` ("solid", "ring",
        "heterogeneous") or `values` (a grey value per shell, outermost first), `appearance` (TumorSynthLib.Appearance),
        `brain_mask` (labelmap or segmentation node) and `segment_id`, `bundle`, `device`.

        The volume's result, masks and map in the scene become those of exactly these lesions. Returns the arrays, as
        TumorSynthLib.SynthesizedCase: image, mask, intensity_map, provenance and more.
        """
        from TumorSynthLib.scene.console import synthesize

        sceneCase, case = synthesize(self.worker, volumeNode, spheresNode, **options)
        self.onSynthesized(sceneCase)
        return case

    def generateCohort(self, volumeNodes, outputFolder, cases=100, seed=0, workers=1, **options):
        """Many cases in these volumes, as `tumorsynth cohort` makes them; the scene is left alone.

        `options` are those of TumorSynthLib.cohorts.Recipe (sizes="6:14", structures={"ring": 1}, placement="uniform"
        and so on) and of make_cohort: `progress` (called with events), `cancelled` (asked now and then), `resume`,
        `overwrite`, `device`. Brain masks chosen for a volume in the panel are used. Returns the summary: `made`,
        `failures` and more. Waits until all is done; several workers are processes of their own.
        """
        from TumorSynthLib.scene.console import generate_cohort

        return generate_cohort(volumeNodes, outputFolder, cases=cases, seed=seed, workers=workers, **options)

    def close(self):
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


class TumorSynthTest(ScriptedLoadableModuleTest):
    """The essentials, inside the application that runs them: desktop Slicer's "Reload and Test", or the workbench."""

    def setUp(self):
        slicer.mrmlScene.Clear(False)

    def runTest(self):
        for test in (self.test_FirstLesion, self.test_ConsoleGivesTheSameVoxels, self.test_UndoAndClose):
            self.setUp()
            test()

    def test_FirstLesion(self):
        """A lesion by the panel's own ways, an unchanged host, and all outputs."""
        widget = self._openWithSampleBrain()
        host = widget.editor.case.host
        before = slicer.util.arrayFromVolume(host).copy()
        widget.editor.place(self._place())
        self._settle(widget)
        outputs = widget.editor.case.outputs
        self.assertIsNone(widget.editor.complaint)
        self.assertEqual(len(outputs.nodes), 3)
        self.assertTrue((slicer.util.arrayFromVolume(host) == before).all())
        self.assertTrue((slicer.util.arrayFromVolume(outputs.result) != before).any())

    def test_ConsoleGivesTheSameVoxels(self):
        widget = self._openWithSampleBrain()
        handles = widget.editor.place(self._place(), seed=5)
        self._settle(widget)
        shown = slicer.util.arrayFromVolume(widget.editor.case.outputs.result).copy()
        case = slicer.util.getModuleLogic("TumorSynth").synthesize(widget.editor.case.host, handles.node)
        self.assertTrue((shown == case.image.T).all())

    def test_UndoAndClose(self):
        widget = self._openWithSampleBrain()
        widget.editor.place(self._place())
        widget.editor.undo()
        self._settle(widget)
        self.assertEqual(len(widget.editor.case.lesions), 0)
        slicer.mrmlScene.Clear(False)
        self.assertIsNone(widget.editor.case)

    def _openWithSampleBrain(self):
        from TumorSynthLib.sample import SAMPLE_BRAIN

        slicer.util.selectModule("TumorSynth")
        widget = slicer.util.getModuleWidget("TumorSynth")
        widget._parameterNode.host = slicer.util.loadVolume(str(SAMPLE_BRAIN))
        self._settle(widget)
        self.assertIsNotNone(widget.editor.brain)
        return widget

    @staticmethod
    def _place():
        from TumorSynthLib.sample import SAMPLE_PLACE_RAS

        return SAMPLE_PLACE_RAS

    @staticmethod
    def _settle(widget, seconds=120):
        ends = time.monotonic() + seconds
        slicer.app.processEvents()
        while widget.editor.at_work and time.monotonic() < ends:
            widget.onPoll()
            slicer.app.processEvents()
