"""The sample brain that comes with the extension."""

from __future__ import annotations

from pathlib import Path

from .host import HostBrain

SAMPLE_BRAIN = Path(__file__).resolve().parent.parent / "Resources" / "SampleBrain" / "sample_brain_t1w.nii.gz"
# In the white matter of the left parietal lobe, away from ventricle and cortex.
SAMPLE_PLACE_RAS = (-27.0, -20.0, 30.0)


def sample_brain() -> HostBrain:
    return HostBrain.read(SAMPLE_BRAIN)
