"""Which files of a folder are the series that somebody means, and its slices in order."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from TumorSynthLib.errors import InputError
from TumorSynthLib.itk_files import require_one_volume
from TumorSynthLib.volume_files import is_dicom

from .headers import frame_count, is_enhanced, of_frame, read_header
from .library import lenient, require
from .stack import Slice, ordered

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FEWEST_SLICES = 4  # what a host needs; a series of fewer is a localizer or a screen shot
MOST_LISTED = 12
_NO_HOSTS = ("Segmentation", "Parametric Map", "RT Dose", "Secondary Capture", "Presentation State", "Raw Data")
_OLD_STARTS = (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")  # files without a preamble
_NEEDED = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("SeriesDescription", "Modality", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"),
    *("BitsStored", "PixelRepresentation"),
    *("PhotometricInterpretation", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("RescaleSlope", "RescaleIntercept", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)


@dataclass(frozen=True, eq=False)
class DicomSeries:
    """One series as a volume: its slices from end to end, and where they lie. `notes` say what a person should know."""

    uid: str
    study_uid: str
    description: str
    modality: str
    slices: tuple[Slice, ...]
    affine: np.ndarray
    notes: tuple[str, ...] = ()

    @classmethod
    def find(cls, path: str | Path, wanted: str | None = None) -> DicomSeries:
        """The series in a folder, or the one that a file belongs to; `wanted` is its UID or its description."""
        require("pydicom")
        path = Path(path)
        if path.is_dir():
            return _built(path, *_chosen(path, _series_in(path), wanted))
        header = _image_header(path)
        if header is None:
            raise InputError(
                f"{path}: a DICOM file without an image to work on (a report, a mask?); give one of an MR series"
            )
        if frame_count(header) > 1 or is_enhanced(header):
            return _built(path, [_File(path, header)])
        named = _File(path, header)
        return _built(path, _series_in(path.parent).get(named.series, [named]))

    @classmethod
    def from_files(cls, files: Iterable[str | Path]) -> DicomSeries:
        """The series that these files are, in any order, as a DICOM database lists them."""
        require("pydicom")
        paths = [Path(file) for file in files]
        read = [_File(path, header) for path in paths if (header := _image_header(path)) is not None]
        if not read:
            raise InputError("no DICOM image among the files; give the files of one series")
        if len({each.series for each in read}) > 1:
            raise InputError(f"{paths[0].parent}: files of several series; give those of one")
        return _built(paths[0].parent, read)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.slices[0].shape, len(self.slices))

    @property
    def first_file(self) -> Path:
        return self.slices[0].file

    @property
    def rescales(self) -> tuple[tuple[float, float], ...]:
        """Slope and intercept of every slice."""
        return tuple((each.slope, each.intercept) for each in self.slices)

    @property
    def is_signed(self) -> bool:
        return any(each.is_signed for each in self.slices)

    @property
    def bits_stored(self) -> int:
        return max(each.bits_stored for each in self.slices)

    def headers(self) -> Iterator[Dataset]:
        """All attributes of each slice but its pixels, in order."""
        for file, slices in groupby(self.slices, key=lambda each: each.file):
            header = read_header(file)
            yield from (of_frame(header, each.number) for each in slices)


@dataclass(frozen=True)
class _File:
    path: Path
    header: Dataset

    @property
    def series(self) -> str:
        return _text(self.header, "SeriesInstanceUID")

    @property
    def is_localizer(self) -> bool:
        return "LOCALIZER" in [str(part).upper() for part in self.header.get("ImageType") or ()]

    @property
    def is_grey(self) -> bool:
        kind = _text(self.header, "PhotometricInterpretation")
        return self.header.get("SamplesPerPixel", 1) == 1 and kind in ("MONOCHROME1", "MONOCHROME2", "")


# -- the files of a folder


def _series_in(folder: Path) -> dict[str, list[_File]]:
    series: dict[str, list[_File]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != "DICOMDIR" and not path.name.startswith(".") and _begins_as_dicom(path):
            header = _image_header(path)
            if header is not None:
                file = _File(path, header)
                series.setdefault(file.series, []).append(file)
    return series


def _begins_as_dicom(path: Path) -> bool:
    if is_dicom(path):
        return True
    with path.open("rb") as stream:
        return stream.read(4) in _OLD_STARTS


def _image_header(path: Path) -> Dataset | None:
    """The header of an image; None for reports and the like. A damaged file may be a slice that nobody would miss."""
    try:
        header = read_header(path, _NEEDED)
        kind = header.SOPClassUID.name
    except (OSError, MemoryError):
        raise
    except Exception as error:  # pydicom has no one kind of error for damaged files
        raise _damaged(path) from error
    if any(word in kind for word in _NO_HOSTS) and "Enhanced" not in kind:
        return None
    if "Rows" in header and "Columns" in header:
        return header
    if "Image Storage" in kind:
        raise _damaged(path)
    return None


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: a damaged DICOM file; copy the series again")


# -- which of the series


def _chosen(folder: Path, series: dict[str, list[_File]], wanted: str | None) -> tuple[list[_File], tuple[str, ...]]:
    if not series:
        raise InputError(f"{folder}: no DICOM images in this folder; give the folder that holds one series")
    if wanted is not None:
        return _asked_for(folder, series, wanted), ()
    usable = {uid: files for uid, files in series.items() if _may_be_host(files)} if len(series) > 1 else series
    if len(usable) == 1:
        ((uid, files),) = usable.items()
        others = [_title(each) for other, each in series.items() if other != uid]
        return files, ((f"{folder}: took {_title(files)}, left {', '.join(others)}",) if others else ())
    raise InputError(f"{folder}: {_listed(usable or series)}; choose one with --series UID, or give a file of it")


def _asked_for(folder: Path, series: dict[str, list[_File]], wanted: str) -> list[_File]:
    named = {uid: files for uid, files in series.items() if wanted in (uid, _description(files))}
    if len(named) == 1:
        return next(iter(named.values()))
    if named:
        raise InputError(f"{folder}: {_listed(named)} of this name; choose one with --series UID")
    raise InputError(f"{folder}: no series '{wanted}' among its {_listed(series)}; choose one of them")


def _may_be_host(files: Sequence[_File]) -> bool:
    slices = sum(frame_count(file.header) for file in files if file.is_grey and not file.is_localizer)
    return slices >= FEWEST_SLICES


def _listed(series: dict[str, list[_File]]) -> str:
    titles = [f"{_title(files)} {uid}" for uid, files in series.items()]
    more = f"; and {len(titles) - MOST_LISTED} more" if len(titles) > MOST_LISTED else ""
    return f"{len(titles)} image series ({'; '.join(titles[:MOST_LISTED])}{more})"


def _title(files: Sequence[_File]) -> str:
    count = sum(frame_count(file.header) for file in files)
    return f"'{_description(files) or 'unnamed'}' ({count} image{'s' if count > 1 else ''})"


def _description(files: Sequence[_File]) -> str:
    return _text(files[0].header, "SeriesDescription")


# -- one series


def _built(name: Path, files: Sequence[_File], notes: Sequence[str] = ()) -> DicomSeries:
    notes = list(notes)
    files = _without_localizers(_without_copies(files, notes), notes)
    for file in files:
        _check_grey(name, file)
    count = sum(frame_count(file.header) for file in files)
    first = files[0].header
    require_one_volume((int(first.Columns), int(first.Rows), count), name)
    with lenient():
        slices = [piece for file in files for piece in _slices(file)]
    _check_rescales(name, slices)
    slices, affine = ordered(slices, name)
    modality = _text(first, "Modality")
    if modality != "MR":
        notes.append(f"{name}: modality {modality or 'unknown'}, not MR, which the networks have learnt")
    uids = _text(first, "SeriesInstanceUID"), _text(first, "StudyInstanceUID")
    return DicomSeries(*uids, _description(files), modality, slices, affine, tuple(notes))


def _without_copies(files: Sequence[_File], notes: list[str]) -> list[_File]:
    kept: dict[str, _File] = {}
    for file in files:
        uid = _text(file.header, "SOPInstanceUID") or str(file.path)
        known = kept.setdefault(uid, file)
        if known is not file and not filecmp.cmp(known.path, file.path, shallow=False):
            raise InputError(
                f"{file.path.parent}: {known.path.name} and {file.path.name} both claim to be the same image,"
                " but differ; remove one"
            )
    if len(kept) < len(files):
        notes.append(f"{files[0].path.parent}: {len(files) - len(kept)} copies of other files left out")
    return list(kept.values())


def _without_localizers(files: list[_File], notes: list[str]) -> list[_File]:
    images = [file for file in files if not file.is_localizer]
    if not images or len(images) == len(files):
        return files
    notes.append(f"{files[0].path.parent}: {len(files) - len(images)} localizer images of the series left out")
    return images


def _check_grey(name: Path, file: _File) -> None:
    if not file.is_grey:
        raise InputError(f"{name}: {file.path.name} is a colour image; give a series with one grey value per voxel")
    if _text(file.header, "PhotometricInterpretation") == "MONOCHROME1":
        raise InputError(f"{name}: {file.path.name} is stored as a negative (MONOCHROME1); export it as MONOCHROME2")


def _check_rescales(name: Path, slices: Sequence[Slice]) -> None:
    for each in slices:
        if not (np.isfinite(each.slope) and np.isfinite(each.intercept) and each.slope > 0):
            raise InputError(
                f"{name}: {each.file.name} has the rescale slope {each.slope:g}; export the series with a positive one"
            )


def _slices(file: _File) -> Iterator[Slice]:
    for number in range(frame_count(file.header)):
        header = of_frame(file.header, number)
        slope, intercept = _numbers(header, "RescaleSlope"), _numbers(header, "RescaleIntercept")
        yield Slice(
            file=file.path,
            number=number,
            shape=(int(header.Columns), int(header.Rows)),
            position=_numbers(header, "ImagePositionPatient"),
            orientation=_numbers(header, "ImageOrientationPatient"),
            spacing=_numbers(header, "PixelSpacing"),
            slope=slope[0] if slope else 1.0,
            intercept=intercept[0] if intercept else 0.0,
            is_signed=header.get("PixelRepresentation") == 1,
            bits_stored=int(header.get("BitsStored") or 16),
        )


def _numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return ()
        return tuple(float(number) for number in (value if isinstance(value, Sequence) else [value]))
    except (TypeError, ValueError):  # not numbers at all; whoever needs them says so
        return ()


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else " ".join(str(value).encode(errors="replace").decode(errors="replace").split())
