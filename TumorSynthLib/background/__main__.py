"""`python -m TumorSynthLib.background MEETING_PLACE`: what `child.py` starts, by a way that needs no search path."""

import sys

from .server import main

main(sys.argv[1])
