"""Undo and redo do what a user expects of them, whatever is done in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from TumorSynthLib.scene.history import History

LIMIT = 5


def test_changes_are_taken_back_and_made_again_in_order():
    history = History()
    for states in ("empty", "one lesion", "moved"):
        history.record(states)
    assert [history.undo(), history.undo(), history.undo()] == ["one lesion", "empty", None]
    assert [history.redo(), history.redo(), history.redo()] == ["one lesion", "moved", None]


def test_a_drag_is_one_step():
    history = History()
    history.record((0,))
    for place in range(1, 50):
        history.record((place,), group="drag 1")
    history.record((100,), group="drag 2")
    assert history.undo() == (49,)
    assert history.undo() == (0,)
    assert not history.can_undo


def test_a_drag_that_ends_where_it_began_is_no_step():
    history = History()
    for states, group in ((0, None), (1, None), (2, "drag"), (1, "drag")):
        history.record(states, group)
    assert history.undo() == 0


def test_a_gesture_after_undo_is_a_new_one():
    history = History()
    for states, group in ((0, None), (1, "drag"), (2, None)):
        history.record(states, group)
    history.undo()
    history.record(5, "drag")
    assert history.undo() == 1


def test_a_new_change_ends_what_could_be_redone():
    history = History()
    for states in "abc":
        history.record(states)
    history.undo()
    history.record("d")
    assert not history.can_redo
    assert history.undo() == "b"


def test_a_hundred_steps_are_kept():
    history = History()
    for number in range(1000):
        history.record(number)
    steps = 0
    while history.undo() is not None:
        steps += 1
    assert steps == 100 and history.current == 899


def test_a_history_without_steps_is_refused():
    with pytest.raises(ValueError):
        History(0)


class HistoryMachine(RuleBasedStateMachine):
    """Against a model that is too simple to be wrong: a list of everything, and a place in it."""

    @initialize(first=st.integers(0, 3))
    def begin(self, first):
        self.history = History(LIMIT)
        self.history.record(first)
        self.line, self.place, self.group = [first], 0, None

    @rule(states=st.integers(0, 3), group=st.sampled_from((None, "a", "b")))
    def record(self, states, group):
        goes_on = group is not None and group == self.group and self.place > 0
        self.history.record(states, group)
        if goes_on:
            self.line = self.line[: self.place]
            self.place -= 1
        if states == self.line[self.place]:
            self.group = None
            return
        self.line = [*self.line[: self.place + 1], states]
        self.place += 1
        self.group = group
        extra = max(len(self.line) - LIMIT - 1, 0)
        self.line, self.place = self.line[extra:], self.place - extra

    @rule()
    def undo(self):
        answer = self.history.undo()
        if self.place:
            self.place, self.group = self.place - 1, None
            assert answer == self.line[self.place]
        else:
            assert answer is None

    @precondition(lambda self: self.place < len(self.line) - 1)
    @rule()
    def redo(self):
        self.place, self.group = self.place + 1, None
        assert self.history.redo() == self.line[self.place]

    @invariant()
    def knows_where_it_is(self):
        assert self.history.current == self.line[self.place]
        assert self.history.can_undo == (self.place > 0)
        assert self.history.can_redo == (self.place < len(self.line) - 1)


HistoryMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHistory = HistoryMachine.TestCase
