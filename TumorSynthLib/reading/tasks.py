"""What readers are asked, and which answers count."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError

CONFIDENCE = (1, 2, 3, 4, 5)
REAL, SYNTHETIC, NOTHING = "real", "synthetic", "nothing"
LEFT, RIGHT = "left", "right"
HERE, NONE = "here", "none"


@dataclass(frozen=True)
class Task:
    """One kind of question. `choices` are the words an answer may be, in the order of the keys 1, 2."""

    name: str
    question: str
    choices: tuple[str, str]
    instructions: str
    confidence_required: bool = False
    images_per_case: int = 1
    needs_point: bool = False

    def check(self, choice: str, confidence: int | None, point_mm: tuple[float, float, float] | None) -> None:
        """Refuses an answer that the task does not know."""
        if choice not in self.choices:
            raise InputError(f"answer '{choice}' is unknown: choose one of {', '.join(self.choices)}")
        if confidence is None and self.confidence_required:
            raise InputError("confidence is missing: choose 1 (a guess) to 5 (certain)")
        if confidence is not None and confidence not in CONFIDENCE:
            raise InputError(f"confidence {confidence} is out of range: choose 1 (a guess) to 5 (certain)")
        if self.needs_point and (choice == HERE) != (point_mm is not None):
            raise InputError(f"'{HERE}' comes with a point in the image, '{NONE}' without one")
        if not self.needs_point and point_mm is not None:
            raise InputError(f"the task '{self.name}' asks for no point: leave it out")


_ONE_LESION = (
    "You will see one lesion at a time, at the centre of three planes. Say whether it is a real tumour of a patient"
    " or a synthetic one made by a computer."
)
_SAME_RULES = (
    " Judge the lesion alone; skull stripping, scanner and patient tell nothing. Scroll, zoom and change the window as"
    " you like, and answer every case, also when you are unsure. You will not be told whether you were right."
)

TASKS = {
    task.name: task
    for task in (
        Task("yesno", "Is this lesion real or synthetic?", (REAL, SYNTHETIC), _ONE_LESION + _SAME_RULES),
        Task(
            "confidence",
            "Is this lesion real or synthetic, and how sure are you?",
            (REAL, SYNTHETIC),
            _ONE_LESION + " Then say how sure you are, from 1 (a guess) to 5 (certain)." + _SAME_RULES,
            confidence_required=True,
        ),
        Task(
            "2afc",
            "Which of the two lesions is synthetic?",
            (LEFT, RIGHT),
            "You will see two lesions side by side. One is a real tumour of a patient, the other was made by a"
            " computer. Say which is the synthetic one: left or right." + _SAME_RULES,
            images_per_case=2,
        ),
        Task(
            "locate",
            "Is there a synthetic lesion? Click on it.",
            (HERE, NONE),
            "You will see a part of a brain. It may hold a synthetic lesion made by a computer, real tumours, or"
            " nothing. Click on the lesion that you believe to be synthetic, or answer 'none'." + _SAME_RULES,
            needs_point=True,
        ),
    )
}


def task_named(name: str) -> Task:
    if name not in TASKS:
        raise InputError(f"--task '{name}' is unknown: choose one of {', '.join(TASKS)}")
    return TASKS[name]
