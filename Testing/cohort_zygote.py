"""Runs the command line in forks of one process that has loaded everything, so that a run starts in no time.

Each fork is a real process that can be killed. Reads a JSON list a line: a file for standard error, then the
arguments; answers with the fork's number, and when it has ended with its exit status.
"""

from __future__ import annotations

import json
import os
import sys

import monai.networks.nets
import SimpleITK
import skimage.filters
import torch

from TumorSynthLib import cli, composition, synthesis
from TumorSynthLib.cohorts import crews, make_cohort, studio

LOADED = (monai.networks.nets, SimpleITK, skimage.filters, torch, composition, synthesis, crews, make_cohort, studio)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 0)
            os.dup2(nowhere, 1)
            log, *arguments = json.loads(line)
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            cli.main(arguments)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
