"""The reading module of 3D Slicer: blinded cases one at a time, and a reader who says "real" or "synthetic"."""

import importlib.util
import os
import sys

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
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


class TumorSynthReading(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("TumorSynth Reading")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["TumorSynth contributors"]
        self.parent.helpText = _(
            "Shows the blinded cases of a reading study one at a time and records what the reader answers. "
            "Studies are made by 'tumorsynth reading new'."
        )
        self.parent.acknowledgementText = ""


class TumorSynthReadingWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Brings panel, views and keys together; each has a file of its own beside this one."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from TumorSynthReadingWidgets.case_views import CaseViews
        from TumorSynthReadingWidgets.panel import Panel

        widget = slicer.util.loadUI(self.resourcePath("UI/TumorSynthReading.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = TumorSynthReadingLogic()
        self.views = CaseViews(slicer.mrmlScene)
        self.panel = Panel(self.ui, self.views)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)

    def openStudy(self, study, reader=None):
        """Fills in the study and the reader; reading begins when the reader says so."""
        self.panel.chooseStudy(study, reader)

    def onArguments(self, study, reader=None):
        """What the workbench was started with."""
        self.openStudy(study, reader)

    # -- Slicer's events

    def cleanup(self):
        self.removeObservers()
        self.panel.close()
        self.panel.removeKeys()

    def enter(self):
        self.panel.enter()

    def exit(self):
        self.panel.leave()

    def onSceneEndClose(self, caller, event):
        self.panel.showAgain()


class TumorSynthReadingLogic(ScriptedLoadableModuleLogic):
    """All there is to do without a panel is in `TumorSynthLib.reading`."""


class TumorSynthReadingTest(ScriptedLoadableModuleTest):
    """The essentials, inside the application that runs them."""

    def setUp(self):
        slicer.mrmlScene.Clear(False)

    def runTest(self):
        self.setUp()
        self.test_OpensAndRefusesWhatIsNoStudy()

    def test_OpensAndRefusesWhatIsNoStudy(self):
        slicer.util.selectModule("TumorSynthReading")
        widget = slicer.util.getModuleWidget("TumorSynthReading")
        widget.openStudy(slicer.app.temporaryPath)
        self.assertIn("session.json", widget.ui.messageLabel.text)
        self.assertFalse(widget.ui.startButton.enabled)
