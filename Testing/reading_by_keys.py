"""A reader at the window, in a process of its own, so that it can be killed: answers a study's cases by keys, as a file
of answers says, which is made from the truth that no reader has.

    python Testing/reading_by_keys.py STUDY READER ANSWERS.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parent.parent / "TumorSynthReading" / "TumorSynthReading.py"


def main(study: str, reader: str, answers: str) -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from TumorSynthLib.reading import Protocol
    from workbench import Workbench

    wanted = json.loads(Path(answers).read_text())
    order = Protocol.read(Path(study)).reader(reader).order
    bench = Workbench.open(module=str(MODULE), testing=True)
    panel = bench.module_widget.panel
    bench.module_widget.openStudy(Path(study), reader)
    bench.process_events()
    bench.key("return")
    bench.process_events()
    while panel.session is not None and not panel.session.is_finished:
        choice, confidence = wanted[order[panel.session.current_case().position]]
        for key in ("1" if choice == "real" else "2", str(confidence)):
            bench.key(key)
            bench.process_events()
    sys.stdout.write(bench.module_widget.ui.endLabel.text + "\n")
    sys.stdout.flush()
    os._exit(0)  # VTK's and Qt's own clean-up at the end of a process may cross each other


if __name__ == "__main__":
    main(*sys.argv[1:])
