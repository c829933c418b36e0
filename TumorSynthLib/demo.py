"""What `./run` does without a screen: one lesion in the sample brain, everything written, and a picture of it."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .case_files import write_case
from .pictures import case_picture
from .sample import SAMPLE_PLACE_RAS, sample_brain
from .spheres import STRUCTURES, ConcentricSpheres
from .synthesis import LesionSynthesizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("output") / "demo", help="folder for the case")
    parser.add_argument("--structure", choices=sorted(STRUCTURES), default="ring")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    began = time.perf_counter()
    spheres = ConcentricSpheres(SAMPLE_PLACE_RAS, (13.0, 11.0, 8.5), structure=chosen.structure)
    case = LesionSynthesizer.from_bundle().synthesize(sample_brain(), spheres, chosen.seed)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    write_case(case, chosen.out, overwrite=True)
    picture = chosen.out / "picture.png"
    case_picture(case, picture)
    lesion = case.lesions[0]
    print(f"One {lesion.structure} lesion of {lesion.volume_mm3 / 1000:.2f} ml in {time.perf_counter() - began:.1f} s.")
    for name in ("image.nii.gz", "lesion_mask.nii.gz", "intensity_map.nii.gz", "provenance.json", "picture.png"):
        print(f"  {chosen.out / name}")
    print("The image is SYNTHETIC: not for diagnosis.")


if __name__ == "__main__":
    main()
