"""What the module shows where PyTorch or another package is missing: what, how large, and one button."""

import importlib.util

import slicer
from slicer.i18n import tr as _

# package: what it is called, how much is downloaded, and how it is asked for
NEEDED = {
    "torch": ("PyTorch", "200 MB; up to 3 GB with support for an NVIDIA card", ">=2.6"),
    "monai": ("MONAI", "3 MB", ">=1.5,<2"),
    "safetensors": ("safetensors", "1 MB", ">=0.5,<1"),
}


def missingPackages():
    importlib.invalidate_caches()
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


class FirstRun:
    def __init__(self, ui, onInstalled):
        self.ui, self.onInstalled = ui, onInstalled
        ui.installButton.connect("clicked()", self.onInstall)
        ui.installLog.visible = False
        self.update()

    def update(self):
        missing = missingPackages()
        self.ui.missingBox.visible = bool(missing)
        if missing:
            listed = "".join(f"<li>{NEEDED[name][0]} ({NEEDED[name][1]})</li>" for name in missing)
            self.ui.missingLabel.text = _(
                "<b>TumorSynth needs packages that Slicer does not bring along:</b><ul>{listed}</ul>"
                "They are downloaded once; afterwards everything works without a network."
            ).format(listed=listed)

    def onInstall(self):
        missing = missingPackages()
        listed = "\n".join(f"- {NEEDED[name][0]} ({NEEDED[name][1]})" for name in missing)
        question = _("These will be downloaded and installed into Slicer's Python:\n\n{listed}\n\nContinue?")
        if missing and not slicer.util.confirmOkCancelDisplay(question.format(listed=listed), _("Install packages")):
            return
        self.ui.installLog.visible = True
        self.ui.installButton.enabled = False
        try:
            with slicer.util.WaitCursor():
                for name in missing:
                    self._install(name)
        except Exception as problem:  # whatever pip, the network or the extension raise belongs into the log
            self._log(f"{type(problem).__name__}: {problem}")
            self._log(_("Not installed. Mend what is said above, then press the button again."))
            self.ui.installButton.text = _("Try again")
        else:
            self._log(_("Installed."))
        self.ui.installButton.enabled = True
        self.update()
        if not missingPackages():
            self.onInstalled()

    def _install(self, name):
        self._log(_("Installing {name}...").format(name=NEEDED[name][0]))
        if name == "torch":
            installTorch(NEEDED[name][2])
        else:
            # Without dependencies: these need only PyTorch and NumPy, and Slicer's own NumPy must stay as it is.
            slicer.util.pip_install(["--no-deps", name + NEEDED[name][2]])

    def _log(self, line):
        self.ui.installLog.appendPlainText(line)
        slicer.app.processEvents()


def installTorch(requirement):
    """By the PyTorch extension, which knows which build fits the computer's graphics card."""
    try:
        import PyTorchUtils
    except ImportError:
        raise RuntimeError(
            _("the extension 'PyTorch' is not installed: install it in the Extensions Manager and restart Slicer")
        ) from None
    if PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=requirement) is None:
        raise RuntimeError(_("the PyTorch extension did not install PyTorch; its own log has more"))
