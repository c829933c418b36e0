"""A reader's session, case by case: what the reading module shows and records. It never opens the truth key.

with Session.open(study, "anna") as session:
    while (case := session.current_case()) is not None:
        ...show case.images...
        session.shown()
        session.answer("synthetic", confidence=4)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError
from .answers import ANSWERED, NOTED, OPENED, AnswerLog, AnswerRow, final_answers
from .protocol import ANSWERS, Protocol
from .stopwatch import Stopwatch
from .tasks import Task

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True)
class ReadingCase:
    """One case to show. Every image lies in the same frame: its middle is the point 0, 0, 0 mm."""

    position: int
    total: int
    images: tuple[Path, ...]
    is_training: bool
    is_answered: bool


@dataclass(frozen=True)
class Progress:
    answered: int
    total: int


@dataclass(frozen=True)
class Feedback:
    """What a reader hears after a training case, and never after any other."""

    is_correct: bool
    truth: str


class Session:
    """The sitting of one reader: resumes at the first case without an answer, and saves before it moves on."""

    def __init__(self, study: Path, protocol: Protocol, reader: str, clock: Callable[[], float]) -> None:
        self.study, self.protocol, self.reader = study, protocol, reader
        self._order = protocol.reader(reader).order
        self._log = AnswerLog(study / ANSWERS / f"{reader}.csv", protocol.checksum, reader)
        self._answered: dict[int, AnswerRow] = {}
        self._position: int | None = None
        self._is_ready = False
        self._watch = Stopwatch(clock)

    @classmethod
    def open(cls, study: str | Path, reader: str, clock: Callable[[], float] = time.monotonic) -> Session:
        """Begins or resumes a reader's session."""
        study = Path(study)
        session = cls(study, Protocol.read(study), reader, clock)
        session._log.open()
        try:
            session._answered = final_answers(session._log.rows)
            session._log.append(AnswerRow(OPENED, software=__version__))
        except BaseException:
            session.close()
            raise
        session._position = session._first_unanswered()
        return session

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closing in the middle of a case loses nothing but that case's stopwatch."""
        self._log.close()

    # -- what to show

    @property
    def task(self) -> Task:
        return self.protocol.question

    @property
    def instructions(self) -> str:
        return self.protocol.instructions

    @property
    def window_level(self) -> tuple[float, float]:
        return self.protocol.window, self.protocol.level

    @property
    def progress(self) -> Progress:
        return Progress(len(self._answered), len(self._order))

    @property
    def is_finished(self) -> bool:
        return len(self._answered) == len(self._order)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader or the leader should know of earlier sittings, such as a line lost in a crash."""
        return tuple(row.comment for row in self._log.rows if row.event == NOTED)

    def current_case(self) -> ReadingCase | None:
        """The case to show now, its files checked; None when all are answered. The stopwatch runs from here."""
        if self._position is None:
            return None
        case = self._order[self._position]
        images = self.protocol.check_case(self.study, case)
        if not self._is_ready:
            self._watch.restart()
            self._is_ready = True
        is_training = case in self.protocol.training
        return ReadingCase(self._position, len(self._order), images, is_training, self._position in self._answered)

    # -- what the reader does

    def shown(self) -> None:
        """The images are on the screen: loading ends and reading begins."""
        self._watch.shown()

    def interacted(self) -> None:
        """The reader touched anything: only the first time counts."""
        self._watch.interacted()

    def scrolled(self, steps: int = 1) -> None:
        self._watch.scrolled(steps)

    def changed_window_level(self, window: float, level: float) -> None:
        self._watch.changed_window_level(window, level)

    def pause(self) -> None:
        """Hide the images while paused: the stopwatch stands still."""
        self._watch.pause()

    def resume(self) -> None:
        self._watch.resume()

    @property
    def is_paused(self) -> bool:
        return self._watch.is_paused

    def answer(
        self,
        choice: str,
        *,
        confidence: int | None = None,
        point_mm: Sequence[float] | None = None,
        comment: str = "",
    ) -> Feedback | None:
        """Saves an answer to the current case, on the disk before this returns, and moves to the next case.

        If it cannot be saved (disk full) it raises a ResourceError, the case stays current, and may be answered again.
        """
        if self._position is None:
            raise InputError("all cases are answered: there is none to answer")
        if self.is_paused:
            raise InputError("the session is paused: resume it before you answer")
        point = None if point_mm is None else tuple(float(value) for value in point_mm)
        if point is not None and len(point) != 3:
            raise InputError(f"point {point} is not a place: give three numbers (R A S, mm)")
        self.task.check(choice, confidence, point)
        case = self._order[self._position]
        row = self._row(case, choice, confidence, point, comment)
        self._answered[self._position] = self._log.append(row)
        self._position = self._first_unanswered()
        self._is_ready = False
        return self._feedback(case, choice)

    def _row(
        self, case: str, choice: str, confidence: int | None, point: tuple[float, ...] | None, comment: str
    ) -> AnswerRow:
        right, front, top = (f"{value:.2f}" for value in point) if point else ("", "", "")
        return AnswerRow(
            ANSWERED,
            position=str(self._position),
            case=case,
            training="yes" if case in self.protocol.training else "",
            answer=choice,
            confidence="" if confidence is None else str(confidence),
            point_r_mm=right,
            point_a_mm=front,
            point_s_mm=top,
            comment=comment,
            software=__version__,
            **self._watch.readings(*self.window_level),
        )

    def _feedback(self, case: str, choice: str) -> Feedback | None:
        truth = self.protocol.training.get(case)
        return None if truth is None else Feedback(choice == truth, truth)

    def go_back(self) -> None:
        """To the case before the current one, where the protocol allows it; a new answer then counts instead."""
        if not self.protocol.going_back:
            raise InputError("this study's protocol allows no going back")
        position = len(self._order) if self._position is None else self._position
        if position == 0:
            raise InputError("this is the first case: there is none before it")
        if self._order[position - 1] in self.protocol.training:
            raise InputError("the case before this one was for training: its answer was told")
        self._position, self._is_ready = position - 1, False

    def _first_unanswered(self) -> int | None:
        return next((place for place in range(len(self._order)) if place not in self._answered), None)
