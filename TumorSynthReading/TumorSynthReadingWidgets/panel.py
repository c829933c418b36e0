"""The reader's way through a study: choose, read case after case, pause, end. Decides; others show, count and save."""

import os
import time

import ctk
import slicer
from slicer.i18n import tr as _

from TumorSynthLib.errors import InputError
from TumorSynthLib.reading import Protocol, Session
from TumorSynthReadingWidgets.keys import Keys

SETUP, ASKING, CONFIDENCE, PAUSED, FEEDBACK, END = "setup", "asking", "confidence", "paused", "feedback", "end"
WORDS = {"real": "Real", "synthetic": "Synthetic", "left": "Left", "right": "Right", "here": "Here", "none": "None"}
LAST_STUDY, LAST_READER = "TumorSynthReading/Study", "TumorSynthReading/Reader"
KEYS_HELP = (
    "Keys: Up/Down, Page Up/Down, Home/End scroll the three planes; + and - zoom; [ ] contrast; , . brightness; "
    "R resets; C comment; Space pauses. A left drag in an image changes contrast and brightness, a right drag zooms."
)
POINT_HELP = " A click in an image marks a place; P marks where the three planes meet."
REPEATING = ("Up", "Down", "PgUp", "PgDown", "Home", "End", "+", "=", "-", "[", "]", ",", ".")
DOUBLE_CLICK_S = 0.4
WIDER, BRIGHTER, NEARER = 1.1, 0.05, 1.15


class Panel:
    def __init__(self, ui, views):
        self.ui, self.views = ui, views
        self.session, self.case, self.state = None, None, SETUP
        self._protocol, self._choice, self._point, self._message = None, None, None, ""
        views.onTouched = self._onTouched
        views.onScrolled = self._onScrolled
        views.onWindowLevel = self._onWindowLevel
        views.onPoint = self._onPoint
        self._isEntered, self._answeredAt = False, -DOUBLE_CLICK_S
        self._fillReaders([])
        self._connect()
        self._startKeys = Keys({"Return": self.start, "Enter": self.start})
        self._readKeys = Keys(self._handlers(), REPEATING)
        self._recall()
        self.update()

    def _connect(self):
        ui = self.ui
        ui.studyPath.filters = ctk.ctkPathLineEdit.Dirs
        ui.studyPath.connect("currentPathChanged(QString)", self.onStudyPath)
        ui.readerBox.connect("currentIndexChanged(int)", lambda index: self.update())
        ui.startButton.connect("clicked()", self.start)
        ui.firstButton.connect("clicked()", lambda: self._clicked(self.choose, 0))
        ui.secondButton.connect("clicked()", lambda: self._clicked(self.choose, 1))
        for number in range(1, 6):
            button = getattr(ui, f"confidenceButton{number}")
            button.connect("clicked()", lambda number=number: self._clicked(self.rate, number))
        ui.nextButton.connect("clicked()", lambda: self._clicked(self.next))
        ui.pauseButton.connect("clicked()", self.togglePause)
        ui.resetButton.connect("clicked()", self.reset)
        for button in (ui.backButton, ui.endBackButton):
            button.connect("clicked()", self.goBack)
        ui.closeButton.connect("clicked()", self.close)
        for button in (ui.firstButton, ui.secondButton):
            button.checkable = True

    def _clicked(self, called, *arguments):
        """A double click on a button answers one case, not two."""
        if time.monotonic() - self._answeredAt > DOUBLE_CLICK_S:
            called(*arguments)
        self.update()

    def _handlers(self):
        views = self.views
        inCase = {
            "Up": lambda: views.scroll(0, 1),
            "Down": lambda: views.scroll(0, -1),
            "PgUp": lambda: views.scroll(1, 1),
            "PgDown": lambda: views.scroll(1, -1),
            "Home": lambda: views.scroll(2, 1),
            "End": lambda: views.scroll(2, -1),
            "+": lambda: views.zoom(NEARER),
            "=": lambda: views.zoom(NEARER),
            "-": lambda: views.zoom(1 / NEARER),
            "]": lambda: views.changeBrightness(windowFactor=1 / WIDER),
            "[": lambda: views.changeBrightness(windowFactor=WIDER),
            ".": lambda: views.changeBrightness(levelShare=-BRIGHTER),
            ",": lambda: views.changeBrightness(levelShare=BRIGHTER),
            "R": self.reset,
            "C": lambda: self.ui.commentEdit.setFocus(),
            "P": self.markCrossing,
        }
        always = {
            "Return": self.next,
            "Enter": self.next,
            "Space": self.togglePause,
            "Backspace": self.onBackspace,
            "Escape": self.takeBackChoice,
            **{str(number): (lambda number=number: self.onNumber(number)) for number in range(1, 6)},
        }
        return {key: self._whileReading(called) for key, called in inCase.items()} | always

    def _whileReading(self, called):
        return lambda: called() if self.isReading else None

    @property
    def isReading(self):
        return self.state in (ASKING, CONFIDENCE)

    # -- choosing a study

    def _recall(self):
        settings = slicer.app.userSettings()
        study = settings.value(LAST_STUDY, "")
        if study and os.path.isfile(os.path.join(study, "session.json")):
            self.chooseStudy(study, settings.value(LAST_READER, ""))

    def chooseStudy(self, study, reader=None):
        self.ui.studyPath.currentPath = str(study)
        self.onStudyPath(str(study))
        if reader and self._protocol is not None:
            index = self.ui.readerBox.findText(reader)
            if index >= 0:
                self.ui.readerBox.setCurrentIndex(index)
            else:
                self._say(_("'{reader}' is not a reader of this study; choose a name.").format(reader=reader))
        self.update()

    def onStudyPath(self, path):
        self._protocol, self._message = None, ""
        if path:
            try:
                self._protocol = Protocol.read(path)
            except (InputError, OSError) as error:
                self._message = sentence(error)
        self._fillReaders([reader.name for reader in self._protocol.readers] if self._protocol else [])
        self.update()

    def _fillReaders(self, names):
        self.ui.readerBox.clear()
        for name in names:
            self.ui.readerBox.addItem(name)
        self.ui.readerBox.setCurrentIndex(0 if len(names) == 1 else -1)

    def start(self):
        """Opens the session and shows the first case without an answer."""
        if self.session is not None or not self._canStart():
            return
        study, reader = self.ui.studyPath.currentPath, self.ui.readerBox.currentText
        try:
            self.session = Session.open(study, reader)
        except (InputError, OSError) as error:
            self._complain(error)
            return
        slicer.app.userSettings().setValue(LAST_STUDY, study)
        slicer.app.userSettings().setValue(LAST_READER, reader)
        self._message = "\n".join(sentence(note) for note in self.session.notes)
        if not self.session.is_finished:
            self.views.begin(self.session.task.images_per_case)
        self._showCase()

    def _canStart(self):
        return self._protocol is not None and self.ui.readerBox.currentIndex >= 0

    # -- one case

    def _showCase(self):
        """The case to read now; the one before is gone from the scene first."""
        self._choice, self._point = None, None
        self.views.remove()
        try:
            self.case = self.session.current_case()
            if self.case is not None:
                self._load()
        except (InputError, OSError) as error:
            self._closeSession()
            self._complain(error)
            return
        self.state = END if self.case is None else ASKING
        self.ui.commentEdit.clear()
        self.ui.commentEdit.clearFocus()
        if self.state == END:
            self.views.end()
        self.update()
        if self.state == ASKING:
            self.views.draw()
            self.session.shown()

    def _load(self):
        self.views.takesPoints = self.session.task.needs_point
        self.views.show(self.case.images, *self.session.window_level)

    def showAgain(self):
        """After somebody closed the scene in the middle of a case."""
        if self.case is None or not self._isEntered or not self.views.isLost:
            return
        self._choice, self._point = None, None
        self.views.begin(self.session.task.images_per_case)
        self._load()
        if self.state == PAUSED:
            self.views.hide()
        elif self.state == CONFIDENCE:
            self.state = ASKING
        self.update()

    def onNumber(self, number):
        if self.state == CONFIDENCE:
            self.rate(number)
        elif self.state == ASKING and number <= 2:
            self.choose(number - 1)

    def choose(self, index):
        if not self.isReading:
            self.update()
            return
        task, choice = self.session.task, self.session.task.choices[index]
        self.session.interacted()
        if task.needs_point and choice == "here" and self._point is None:
            self._say(_("Click on the lesion first, or answer 'None'."))
            return
        self._choice = choice
        if task.confidence_required:
            self.state = CONFIDENCE
            self.update()
        else:
            self._answer(None)

    def rate(self, confidence):
        if self.state == CONFIDENCE:
            self._answer(confidence)

    def takeBackChoice(self):
        self.ui.commentEdit.clearFocus()
        if self.state == CONFIDENCE:
            self.state, self._choice = ASKING, None
            self.update()

    def _answer(self, confidence):
        """On the disk before anything else happens; where that fails the case stays, to be answered again."""
        self.views.flush()
        point = self._point if self._choice == "here" else None
        comment = self.ui.commentEdit.text
        try:
            feedback = self.session.answer(self._choice, confidence=confidence, point_mm=point, comment=comment)
        except (InputError, OSError) as error:
            self.state, self._choice = ASKING, None
            self._complain(error)
            return
        self._message, self._answeredAt = "", time.monotonic()
        if feedback is None:
            self._showCase()
            self._answeredAt = time.monotonic()
        else:
            self._tell(feedback)

    def _tell(self, feedback):
        truth = _(WORDS.get(feedback.truth, feedback.truth)).lower()
        words = _("Right: it is {truth}.") if feedback.is_correct else _("Wrong: it is {truth}.")
        if self.session.task.needs_point or self.session.task.images_per_case == 2:
            words = _("Right.") if feedback.is_correct else _("Wrong: the answer is '{truth}'.")
        self.ui.feedbackLabel.text = words.format(truth=truth)
        self.state = FEEDBACK
        self.update()

    def next(self):
        if self.ui.commentEdit.focus:
            self.ui.commentEdit.clearFocus()
        elif self.state == FEEDBACK:
            self._showCase()

    # -- around a case

    def togglePause(self):
        if self.isReading:
            self.views.flush()
            self.session.pause()
            self.views.hide()
            self.state, self._choice = PAUSED, None
        elif self.state == PAUSED:
            self.session.resume()
            self.views.unhide()
            self.state = ASKING
        self.update()

    def reset(self):
        if self.isReading:
            self.session.interacted()
            self.views.reset()

    def onBackspace(self):
        if self.state == CONFIDENCE:
            self.takeBackChoice()
        else:
            self.goBack()

    def goBack(self):
        if self.session is None or self.state not in (ASKING, END) or not self.session.protocol.going_back:
            return
        try:
            self.session.go_back()
        except InputError as error:
            self._say(sentence(error))
            return
        self._message = ""
        if self.state == END:
            self.views.begin(self.session.task.images_per_case)
        self._showCase()

    def _onTouched(self):
        if self.isReading:
            self.session.interacted()

    def _onScrolled(self, steps):
        if self.isReading:
            self.session.scrolled(steps)

    def _onWindowLevel(self, window, level):
        if self.isReading:
            self.session.changed_window_level(window, level)

    def _onPoint(self, point):
        if self.isReading:
            self._point, self._message = point, ""
            self.views.mark(point)
            self.update()

    def markCrossing(self):
        if self.session.task.needs_point:
            self.session.interacted()
            self._onPoint(self.views.crossing())

    # -- coming and going

    def enter(self):
        self._isEntered = True
        if self.session is not None and self.case is not None:
            self.views.begin(self.session.task.images_per_case)
            if self.views.isLost:
                self._point = None
                self._load()
            self.views.hide()
        self.update()

    def leave(self):
        """Another module is shown: the images go, and the clock stands still."""
        self._isEntered = False
        if self.isReading:
            self.togglePause()
        elif self.case is not None:
            self.views.hide()
        self.views.end()
        self.update()

    def close(self):
        """Ends the sitting; every answer so far is on the disk."""
        self._closeSession()
        self._message = ""
        self.update()

    def _closeSession(self):
        if self.session is not None:
            self.session.close()
        self.session, self.case, self.state, self._choice = None, None, SETUP, None
        self.views.remove()
        self.views.end()

    def removeKeys(self):
        self._startKeys.remove()
        self._readKeys.remove()

    # -- what the panel shows

    def _say(self, text):
        self._message = text
        self.update()

    def _complain(self, error):
        self._say(sentence(error))
        slicer.util.errorDisplay(sentence(error), windowTitle=_("TumorSynth Reading"))

    def update(self):
        ui, state = self.ui, self.state
        ui.setupBox.visible = state == SETUP
        ui.endBox.visible = state == END
        ui.caseBox.visible = state not in (SETUP, END)
        ui.messageLabel.text, ui.messageLabel.visible = self._message, bool(self._message)
        self._startKeys.setEnabled(self._isEntered and state == SETUP)
        self._readKeys.setEnabled(self._isEntered and state != SETUP)
        if state == SETUP:
            ui.startButton.enabled = self._canStart()
            ui.instructionsLabel.text = self._protocol.instructions if self._protocol else ""
        elif state == END:
            self._updateEnd()
        else:
            self._updateCase()

    def _updateEnd(self):
        ui, total = self.ui, self.session.progress.total
        ui.endLabel.text = _("Thank you, {reader}.").format(reader=self.session.reader)
        ui.endText.text = _("All {total} cases are answered, and every answer is saved.").format(total=total)
        ui.endBackButton.visible = self.session.protocol.going_back

    def _updateCase(self):
        ui, case, task, reading = self.ui, self.case, self.session.task, self.isReading
        ui.progressLabel.text = _("{number} of {total}").format(number=case.position + 1, total=case.total)
        ui.progressBar.maximum, ui.progressBar.value = case.total, self.session.progress.answered
        ui.trainingLabel.visible = case.is_training or case.is_answered
        again = _("Answered before: a new answer counts instead.")
        ui.trainingLabel.text = _("Training: you will be told the truth.") if case.is_training else again
        ui.questionLabel.text = _("Paused. The images are hidden.") if self.state == PAUSED else _(task.question)
        for number, button in enumerate((ui.firstButton, ui.secondButton)):
            button.text = f"{_(WORDS[task.choices[number]])}  ({number + 1})"
            button.enabled = reading
            button.checked = task.choices[number] == self._choice
        ui.confidenceBox.visible = task.confidence_required
        ui.confidenceBox.enabled = self.state == CONFIDENCE
        ui.confidenceLabel.text = self._confidenceText()
        ui.commentEdit.enabled = reading
        ui.feedbackLabel.visible = ui.nextButton.visible = self.state == FEEDBACK
        ui.pauseButton.enabled = reading or self.state == PAUSED
        ui.pauseButton.text = _("Resume (Space)") if self.state == PAUSED else _("Pause")
        ui.resetButton.enabled = reading
        ui.backButton.visible = self.session.protocol.going_back
        ui.backButton.enabled = self.state == ASKING and case.position > 0
        ui.keysLabel.text = _(KEYS_HELP) + (_(POINT_HELP) if task.needs_point else "")

    def _confidenceText(self):
        if self.state != CONFIDENCE:
            return _("How sure are you? 1 is a guess, 5 is certain.")
        return _("{choice}. How sure are you? 1 is a guess, 5 is certain.").format(choice=_(WORDS[self._choice]))


def sentence(error):
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") if text else ""
