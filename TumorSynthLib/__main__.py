"""`python -m TumorSynthLib` is the command `tumorsynth`."""

from .cli import main

if __name__ == "__main__":
    main()
