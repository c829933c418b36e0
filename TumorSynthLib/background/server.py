"""The background process: meets its caller, keeps the networks warm and answers one question after the other."""

from __future__ import annotations

import faulthandler
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .meeting import meet_caller

if TYPE_CHECKING:
    from . import wire
    from .inbox import Inbox


def main(meeting_place: str) -> None:
    faulthandler.enable()
    place = Path(meeting_place)
    connection = meet_caller(place)
    # Only now: importing all that follows takes its time, and the caller must not wait for it.
    from .inbox import Inbox
    from .wire import Hello

    inbox = Inbox(connection, place.parent)
    inbox.send(Hello(os.getpid()))
    Server(inbox, place).run()


class Server:
    """Takes questions from the inbox, has them worked on, and sends what came of them."""

    def __init__(self, inbox: Inbox, place: Path) -> None:
        from .workshop import Workshop

        self._inbox, self._place = inbox, place
        self._workshop = Workshop()
        self._files_written = 0

    def run(self) -> None:
        from .wire import AskBrain, AskCase, AskExport, Warm

        answers = {
            Warm: self._warm,
            AskBrain: self._find_brain,
            AskCase: self._make_case,
            AskExport: self._export,
        }
        while True:
            message = self._inbox.next()
            answers[type(message)](message)

    def _warm(self, message: wire.Warm) -> None:
        from .endings import missing_error
        from .machine import packages_missing
        from .wire import Problem, Progress, Ready

        began = time.perf_counter()
        self._inbox.send(Progress(None, "loading PyTorch", 0.1))
        missing, reasons = packages_missing()
        if missing:
            self._inbox.send(Problem(None, missing_error(missing, reasons)))
            return
        self._inbox.send(Progress(None, "loading the networks", 0.6))
        device, version = self._workshop.warm(message.bundle, message.device)
        self._inbox.send(Ready(device, version, time.perf_counter() - began))

    def _find_brain(self, message: wire.AskBrain) -> None:
        def work() -> None:
            from .wire import BrainMade

            self._inbox.check_cancelled(message.number)
            self._tell(message.number)("finding the brain", 0.1)
            brain = self._workshop.brain_of(message.host, message.bundle, message.device)
            self._inbox.check_cancelled(message.number)
            self._inbox.send(BrainMade(message.number, self._written("brain", brain.mask), brain.method))

        self._answer(message.number, work)

    def _make_case(self, message: wire.AskCase) -> None:
        def work() -> None:
            from .machine import peak_memory_bytes
            from .wire import CaseMade

            began = time.perf_counter()

            def check(much_remains: bool) -> None:
                self._inbox.check_wanted(message, much_remains)

            made = self._workshop.make_case(message.host, message.question, self._tell(message.number), check)
            part, number, quality = made.part, message.number, message.question.quality
            answer = CaseMade(
                number=number,
                box=part.box,
                image=self._written("image", part.image),
                mask=self._written("mask", part.mask),
                intensity_map=self._written("map", part.intensity_map),
                lesions=part.lesions,
                provenance=made.provenance,
                quality=quality,
                seconds=time.perf_counter() - began,
                painted=made.painted,
                device=made.device,
                peak_memory_bytes=peak_memory_bytes(),
            )
            self._inbox.send(answer)

        self._answer(message.number, work)

    def _export(self, message: wire.AskExport) -> None:
        def work() -> None:
            from .export import export_case
            from .wire import Exported

            def check(much_remains: bool) -> None:
                self._inbox.check_cancelled(message.number)

            tell = self._tell(message.number)
            made = self._workshop.make_case(message.host, message.question, tell, check)
            tell("writing files", 0.95)
            host, brain = self._workshop.host_and_brain(message.host, message.question)
            export_case(host, brain, made, message.target)
            self._inbox.send(Exported(message.number, message.target.folder))

        self._answer(message.number, work)

    def _answer(self, number: int, work: Callable[[], None]) -> None:
        from .endings import error_of
        from .inbox import GivenUp
        from .wire import Dropped, Problem

        error = None
        try:
            work()
            self._inbox.answered(number)
        except GivenUp:
            self._inbox.send(Dropped(number))
        except Exception as problem:
            error = error_of(problem, traceback.format_exc())
        if error is not None:  # and its traceback, which held on to the arrays of every frame it passed, is gone
            if error.kind == "memory":
                self._workshop.free_memory()
            self._inbox.answered(number)
            self._inbox.send(Problem(number, error))

    def _tell(self, number: int) -> Callable[[str, float], None]:
        from .wire import Progress

        return lambda text, share: self._inbox.send(Progress(number, text, share))

    def _written(self, name: str, array: object) -> str:
        import numpy as np

        self._files_written += 1
        path = str(self._place / f"{name}-{self._files_written}.npy")
        np.save(path, array)
        return path
