"""What a reader did with one case, and how long it took. Pauses do not count."""

from __future__ import annotations

from collections.abc import Callable


class Stopwatch:
    """Counts from the moment a case is asked for; the clock is any function that returns growing seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        self._began = self._clock()
        self._shown: float | None = None
        self._first_interaction: float | None = None
        self._paused_since: float | None = None
        self._paused_s = 0.0
        self._pauses = 0
        self._scrolls = 0
        self._window_level: tuple[float, float] | None = None
        self._window_level_changes = 0

    @property
    def is_paused(self) -> bool:
        return self._paused_since is not None

    def shown(self) -> None:
        if self._shown is None:
            self._shown = self._elapsed()

    def interacted(self) -> None:
        if self._first_interaction is None:
            self._first_interaction = self._elapsed()

    def scrolled(self, steps: int) -> None:
        self.interacted()
        self._scrolls += steps

    def changed_window_level(self, window: float, level: float) -> None:
        self.interacted()
        self._window_level = (window, level)
        self._window_level_changes += 1

    def pause(self) -> None:
        if self._paused_since is None:
            self._paused_since = self._clock()
            self._pauses += 1

    def resume(self) -> None:
        if self._paused_since is not None:
            self._paused_s += self._clock() - self._paused_since
            self._paused_since = None

    def _elapsed(self) -> float:
        """Seconds since the case was asked for, pauses left out."""
        now = self._clock() if self._paused_since is None else self._paused_since
        return now - self._began - self._paused_s

    def readings(self, window: float, level: float) -> dict[str, str]:
        """The columns of an answer: loading from the request, the others from when the images were on the screen."""
        shown = self._shown or 0.0
        window, level = self._window_level or (window, level)
        first = self._first_interaction
        return {
            "load_s": "" if self._shown is None else f"{self._shown:.3f}",
            "first_interaction_s": "" if first is None else f"{max(first - shown, 0.0):.3f}",
            "answer_s": f"{max(self._elapsed() - shown, 0.0):.3f}",
            "pauses": str(self._pauses),
            "paused_s": f"{self._paused_s:.3f}",
            "window": f"{window:g}",
            "level": f"{level:g}",
            "window_level_changes": str(self._window_level_changes),
            "scrolls": str(self._scrolls),
        }
