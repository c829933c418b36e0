"""The DICOM libraries: there or not, and quiet about other people's files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from TumorSynthLib.errors import ResourceError


def require(*names: str) -> None:
    """Refuses to go on without these packages, and says how to get them."""
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise ResourceError(
                f"DICOM needs the Python package {name}, which is not installed; install tumorsynth[dicom],"
                " or convert the series to NIfTI"
            ) from error


@contextmanager
def lenient() -> Iterator[None]:
    """Scanners write values that the standard forbids; what we need of them we check ourselves."""
    from pydicom.config import disable_value_validation

    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield
