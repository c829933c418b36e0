"""A case as DICOM: the image on its source's slices, its mask as a segmentation, its intensity map as a series."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from TumorSynthLib import provenance
from TumorSynthLib.case_files import DICOM_FILES, CaseFiles, followed, new_case, write_provenance
from TumorSynthLib.errors import InputError
from TumorSynthLib.grid import Grid
from TumorSynthLib.host import HostBrain
from TumorSynthLib.volume_files import is_dicom

from .image_series import series_number, templates_of, templates_without_source, write_image_series
from .library import require
from .quantities import StoredPixels, grey_map, like_source, without_source
from .segmentation import write_segmentation
from .series import DicomSeries
from .stamp import Stamp
from .uids import replaced

if TYPE_CHECKING:
    from TumorSynthLib.synthesis import SynthesizedCase

IMAGE, MASK, INTENSITY_MAP, _ = DICOM_FILES
SAME_PLACE_MM = 0.01

_sources: WeakKeyDictionary[HostBrain, DicomSeries] = WeakKeyDictionary()


def write_dicom_case(
    case: SynthesizedCase,
    folder: str | Path,
    overwrite: bool = False,
    *,
    source: DicomSeries | str | Path | None = None,
    keep_identity: bool = False,
) -> CaseFiles:
    """Writes a case into a new folder, whole or not at all, as `case_files.write_case` does for NIfTI.

    `source` is the series that the host was read from, if the host itself does not know it; a host that never was DICOM
    gets a study of its own. The same case gives the same bytes and the same UIDs.
    """
    series = check_dicom(case.host, source, keep_identity)
    folder = followed(Path(folder))
    with new_case(folder, overwrite) as draft:
        record = _write_files(case, draft, series, keep_identity)
    return CaseFiles(folder, record, DICOM_FILES)


def check_dicom(
    host: HostBrain, source: DicomSeries | str | Path | None = None, keep_identity: bool = False
) -> DicomSeries | None:
    """The host's source; refuses what cannot be written as DICOM, before somebody waits for a lesion."""
    require("pydicom", "highdicom")
    series = source_of(host) if source is None else source
    if series is None:
        if keep_identity:
            raise InputError(
                f"{host.source or 'the host'}: not DICOM, so there is no identity to keep; leave --keep-identity out"
            )
        return None
    if not isinstance(series, DicomSeries):
        series = DicomSeries.find(series)
    place = series.first_file.parent
    if series.modality != "MR":
        raise InputError(f"{place}: modality {series.modality or 'unknown'}; DICOM is written of MR only: write NIfTI")
    _onto_series(host.voxels, host, series)
    first = next(series.headers())
    if str(first.get("BurnedInAnnotation") or "").upper() == "YES" and not keep_identity:
        raise InputError(
            f"{place}: its pixels carry text that may name the patient (Burned In Annotation YES);"
            " add --keep-identity if that may stay, or write NIfTI"
        )
    return series


def source_of(host: HostBrain) -> DicomSeries | None:
    """The series that a host was read from, looked up once a host."""
    if host.source is None:
        return None
    if not host.source.exists():
        raise InputError(f"{host.source}: no longer there, but needed to know what study the host is of; put it back")
    if not is_dicom(host.source):
        return None
    if host not in _sources:
        _sources[host] = DicomSeries.find(host.source)
    return _sources[host]


def _write_files(case: SynthesizedCase, draft: Path, series: DicomSeries | None, keep_identity: bool) -> dict[str, Any]:
    host = case.host
    labels = case.mask if case.mask.dtype != bool else case.mask.view(np.uint8)
    arrays = {IMAGE: case.image, MASK: labels, INTENSITY_MAP: case.intensity_map}
    record = {**case.provenance, "outputs": {name: provenance.voxel_checksum(each) for name, each in arrays.items()}}
    stamp = Stamp.of(record, keep_identity, series and (series.uid if keep_identity else replaced(series.uid)))
    if series is None:
        templates = templates_without_source(host, provenance.host_checksum(host))
        pixels, placed = without_source(case.image, host), arrays
    else:
        templates = templates_of(series, keep_identity)
        placed = {name: _onto_series(each, host, series) for name, each in arrays.items()}
        pixels = like_source(placed[IMAGE], host, series)
    has_window = "WindowCenter" in templates[0].attributes
    images = write_image_series(
        *(draft / IMAGE, IMAGE, templates, pixels, stamp),
        title="tumour",
        window=None if has_window else _window(host),
    )
    write_segmentation(
        *(draft / MASK, np.ascontiguousarray(placed[MASK].T), len(case.lesions), images, stamp),
        bundle=record["bundle"]["name"],
        number=series_number(templates, "lesion_mask"),
        title=stamp.titled("lesion mask", templates[0].source),
    )
    grey = grey_map(placed[INTENSITY_MAP])
    write_image_series(
        *(draft / INTENSITY_MAP, INTENSITY_MAP, templates, grey, stamp), title="intensity map", window=(0.0, 1.0)
    )
    record = _described(record, draft, stamp, str(images[0].StudyInstanceUID), pixels)
    write_provenance(draft, record)
    return record


def _described(
    record: Mapping[str, Any], draft: Path, stamp: Stamp, study: str, pixels: StoredPixels
) -> dict[str, Any]:
    """The record with what belongs to DICOM; paths may name a patient, so they go where identity goes."""
    record = {**record, "format": "dicom"}
    if not stamp.keep_identity:
        record["host"] = {**record["host"], "file": None}
        record["brain_mask"] = {**record["brain_mask"], "file": None}
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    record["dicom"] = {
        "keep_identity": stamp.keep_identity,
        "study": study,
        "series": {name.split(".")[0]: stamp.uid(name.split(".")[0]) for name in (IMAGE, MASK, INTENSITY_MAP)},
        "image_rounded_by": pixels.rounded_by,
        "files": {path.relative_to(draft).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }
    return record


def _window(host: HostBrain) -> tuple[float, float]:
    low, high = host.intensity_window
    return low * host.slope + host.intercept, high * host.slope + host.intercept


def _onto_series(voxels: np.ndarray, host: HostBrain, series: DicomSeries) -> np.ndarray:
    """The host's voxels with their axes in the series' order: programs turn and flip them when they convert."""
    turn = np.linalg.inv(series.affine)[:3, :3] @ host.affine[:3, :3]
    axes, signs = np.abs(turn).argmax(axis=1), np.sign(np.rint(turn)).sum(axis=1)
    if sorted(axes) != [0, 1, 2] or not np.all(np.abs(signs) == 1):
        raise _elsewhere(host, series)
    flips = tuple(slice(None, None, int(sign)) for sign in signs)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(series.shape) - 1)
    if tuple(host.shape[axis] for axis in axes) != series.shape:
        raise _elsewhere(host, series)
    theirs = Grid(series.affine, series.shape).to_ras(corners)
    flipped = np.where(signs < 0, np.array(series.shape) - 1 - corners, corners)
    ours = np.empty_like(flipped)
    ours[:, axes] = flipped
    if np.linalg.norm(host.ijk_to_ras(ours) - theirs, axis=1).max() > SAME_PLACE_MM:
        raise _elsewhere(host, series)
    return voxels.transpose(*axes)[flips]


def _elsewhere(host: HostBrain, series: DicomSeries) -> InputError:
    return InputError(
        f"{series.first_file.parent}: lies on other voxels than {host.source or 'the host'}; give the series that the"
        " host was made from"
    )
