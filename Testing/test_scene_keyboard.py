"""Keys in the views: nudge, scale, and nothing that Slicer should not hear."""

from __future__ import annotations

import numpy as np
import pytest

from scene_stage import CENTER, RADII, rigid, shared_stage, turn

ARROWS = {"Right": (1, 0), "Left": (-1, 0), "Up": (0, 1), "Down": (0, -1)}
# What is right and up on the screen, in RAS: Slicer shows the patient's left on the right.
SCREEN = {"Red": ((-1, 0, 0), (0, 1, 0)), "Green": ((-1, 0, 0), (0, 0, 1)), "Yellow": ((0, -1, 0), (0, 0, 1))}


@pytest.fixture
def stage():
    stage = shared_stage()
    stage.attach()
    yield stage
    stage.clear()


def nudged(handles) -> np.ndarray:
    return np.array(handles.state.center_ras) - CENTER


@pytest.mark.parametrize("view", SCREEN)
@pytest.mark.parametrize("key", ARROWS)
def test_arrows_nudge_a_millimetre_on_the_screen_and_five_with_shift(stage, view, key):
    handles = stage.lesion()
    stage.jump(CENTER)
    offset = stage.views[view].node.GetSliceOffset()
    across, up = ARROWS[key]
    right, top = np.array(SCREEN[view], float)
    stage.mouse(view).key(key)
    assert nudged(handles) == pytest.approx(across * right + up * top)
    stage.mouse(view).key(key, shift=True)
    assert nudged(handles) == pytest.approx(6 * (across * right + up * top))
    assert stage.edits == [("Lesion 1", True)] * 2
    assert stage.views[view].node.GetSliceOffset() == offset, "Slicer scrolls by arrows; these were not for it"


def test_arrows_follow_an_oblique_slice_and_the_hosts_transform(stage):
    handles = stage.lesion()
    stage.transform(rigid((30, 0, 0), flips=(-1, 1, 1)))
    node = stage.views["Red"].node
    turn(node, (10, 20, 30), CENTER)
    before = handles.world_from_host() @ (*CENTER, 1)
    stage.mouse("Red").key("Up", shift=True)
    moved = (handles.world_from_host() @ (*handles.state.center_ras, 1) - before)[:3]
    assert moved == pytest.approx([5 * node.GetSliceToRAS().GetElement(row, 1) for row in range(3)])


def test_in_3d_arrows_run_along_the_nearest_anatomical_axes(stage):
    handles = stage.lesion()
    camera = stage.views["3D"].renderer.GetActiveCamera()
    camera.SetFocalPoint(0, 0, 0)
    camera.SetPosition(60, 300, 90)  # from the front, somewhat from the left hand side of the screen and above
    camera.SetViewUp(0, 0, 1)
    mouse = stage.mouse("3D")
    mouse.key("Right")
    assert nudged(handles) == pytest.approx((-1, 0, 0))
    mouse.key("Up", shift=True)
    assert nudged(handles) == pytest.approx((-1, 0, 5))


@pytest.mark.parametrize("key", ("plus", "equal", "minus", "underscore"))
def test_plus_and_minus_scale_all_spheres(stage, key):
    handles = stage.lesion()
    factor = 1.05 if key in ("plus", "equal") else 1 / 1.05
    stage.mouse("Green").key(key)
    assert handles.state.radii_mm == pytest.approx([factor * radius for radius in RADII])
    assert handles.state.center_ras == CENTER and stage.edits == [("Lesion 1", True)]


def test_without_an_active_lesion_arrows_are_slicers(stage):
    handles = stage.lesion(active=False)
    stage.jump(CENTER)
    node = stage.views["Red"].node
    offset = node.GetSliceOffset()
    stage.mouse("Red").key("Right")
    assert handles.state.center_ras == CENTER
    assert node.GetSliceOffset() != offset


def test_only_the_active_lesion_hears_the_keys(stage):
    first, second = stage.lesion(), stage.lesion((-20, 0, 0), name="Lesion 2", active=False)
    stage.mouse("Red").key("Left")
    stage.mouse("Red").key("minus")
    assert first.state.center_ras != CENTER and second.state.center_ras == (-20, 0, 0)
    assert second.state.radii_mm == RADII
