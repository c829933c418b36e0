"""What went wrong, in a box that can be read, and whose details can be copied."""

import slicer
from slicer.i18n import tr as _

TITLES = {"memory": "Out of memory", "crash": "The background process ended", "missing": "Something is missing"}
ADVICE = {
    "memory": "Lesions are computed on the CPU from now on. Close other programs if this happens again.",
    "crash": "It starts again with the next change. If this happens again, please report it with the details below.",
}


def showTrouble(error):
    text = "\n\n".join(part for part in (error.message, _(ADVICE.get(error.kind, ""))) if part)
    slicer.util.errorDisplay(text, windowTitle=_(TITLES.get(error.kind, "TumorSynth")), detailedText=error.details)
