"""What `./run` does without a screen: one lesion in the sample brain, everything written, and a picture of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .cli_exit import run
from .parameters import check_seed
from .spheres import STRUCTURES, ConcentricSpheres

OUT = Path("output") / "demo"
RADII_MM = (13.0, 11.0, 8.5)

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the case.")] = OUT,
    structure: Annotated[str, typer.Option(metavar="|".join(STRUCTURES), help="What the lesion is like.")] = "ring",
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed is another lesion.")] = 7,
) -> None:
    """Put one synthetic lesion into the sample brain: image, masks, provenance and a picture."""
    from .case_files import FILES, PICTURE, check_folder, write_case
    from .pictures import case_picture
    from .sample import SAMPLE_PLACE_RAS, sample_brain
    from .synthesis import LesionSynthesizer

    # First all that can be wrong: nobody should wait for a lesion to hear that there is no place for it.
    check_seed(seed)
    spheres = ConcentricSpheres(SAMPLE_PLACE_RAS, RADII_MM, structure=structure)
    out.parent.mkdir(parents=True, exist_ok=True)
    check_folder(out, overwrite=True)
    began = time.perf_counter()
    case = LesionSynthesizer.from_bundle().synthesize(sample_brain(), spheres, seed)
    write_case(case, out, overwrite=True)
    case_picture(case, out / PICTURE)
    lesion = case.lesions[0]
    print(f"One {lesion.structure} lesion of {lesion.volume_mm3 / 1000:.2f} ml in {time.perf_counter() - began:.1f} s.")
    for name in (*FILES, PICTURE):
        print(f"  {out / name}")
    print("The image is SYNTHETIC: not for diagnosis.")


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(run(app, sys.argv[1:] if arguments is None else arguments, "./run"))


if __name__ == "__main__":
    main()
