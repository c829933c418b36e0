"""A DICOM series as host: any order, any pixel type, stored values kept; refusals that say why."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless, RLELossless

from dicom_files import SERIES, write_enhanced, write_series
from TumorSynthLib.dicom.series import DicomSeries
from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from volumes import assert_one_clear_line, oblique_affine, voxels_of

OTHER = f"{SERIES}.99"
PLACES = {
    "straight": oblique_affine(angles_degrees=(0, 0, 0)),
    "oblique": oblique_affine(),
    "anisotropic": oblique_affine((0.5, 0.5, 6.0)),
    "flipped rows": oblique_affine(flips=(-1, 1, 1)),
    "flipped order": oblique_affine(flips=(1, 1, -1)),
    "sagittal": oblique_affine(axes=(1, 2, 0)),
}


def assert_same_in_place(host: HostBrain, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Every voxel at its millimetre, whichever way the stack was counted."""
    index = np.argwhere(np.ones(voxels.shape, bool))
    found = host.ras_to_ijk((affine[:3, :3] @ index.T).T + affine[:3, 3])
    assert np.abs(found - np.rint(found)).max() < 1e-3
    assert np.array_equal(host.voxels[tuple(np.rint(found).astype(int).T)], voxels[tuple(index.T)])


# -- where it lies


@pytest.mark.parametrize("place", PLACES)
def test_a_series_lies_where_its_files_say_in_any_order(tmp_path, place):
    voxels = write_series(tmp_path / "in", affine=PLACES[place])
    assert_same_in_place(HostBrain.read(tmp_path / "in"), voxels, PLACES[place])


@pytest.mark.parametrize("place", ["oblique", "flipped order", "sagittal"])
def test_it_lies_where_simpleitk_puts_it(tmp_path, place):
    write_series(tmp_path / "in", affine=PLACES[place])
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "in")))
    image = reader.Execute()
    host = HostBrain.read(tmp_path / "in")
    for index in ((0, 0, 0), (13, 0, 9), (3, 11, 5)):
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        assert np.abs(host.ijk_to_ras(np.array(index)) * (-1, -1, 1) - lps).max() < 1e-4
    assert np.array_equal(host.voxels, sitk.GetArrayFromImage(image).T)


# -- what is stored


@pytest.mark.parametrize(
    ("dtype", "bits", "rescale"),
    [
        ("uint8", None, None),
        ("uint16", None, None),
        ("int16", None, None),
        ("uint16", 12, None),
        ("uint16", 12, (1.2345678901, -7.5)),
        ("int16", 12, (0.25, 100.0)),
        ("uint16", None, (1.0, -1024.0)),
    ],
)
def test_stored_values_are_kept_and_the_rescale_is_carried(tmp_path, dtype, bits, rescale):
    voxels = write_series(tmp_path / "in", voxels_of(dtype), bits=bits, rescale=rescale)
    host = HostBrain.read(tmp_path / "in")
    assert host.voxels.dtype == np.dtype(dtype)
    assert_same_in_place(host, voxels, oblique_affine())
    assert (host.slope, host.intercept) == (rescale or (1.0, 0.0))


def test_bits_that_belong_to_no_value_are_left_out(tmp_path):
    voxels = voxels_of("uint16")
    write_series(tmp_path / "in", voxels | 0x8000, bits=12)  # an overlay in the highest bit, as old files have it
    assert_same_in_place(HostBrain.read(tmp_path / "in"), voxels, oblique_affine())
    signed = voxels_of("int16") - 900
    write_series(tmp_path / "signed", signed & 0x0FFF, bits=12)
    assert_same_in_place(HostBrain.read(tmp_path / "signed"), signed, oblique_affine())


def test_a_rescale_of_each_slice_is_applied(tmp_path):
    rescales = [(1.5 + k / 7, -3.0 * k) for k in range(10)]
    voxels = write_series(tmp_path / "in", voxels_of("uint16"), rescale=rescales)
    host = HostBrain.read(tmp_path / "in")
    slopes, intercepts = np.array(rescales).T
    assert (host.slope, host.intercept) == (1.0, 0.0) and host.voxels.dtype == np.float32
    order = slice(None) if np.allclose(host.affine[:3, 3], oblique_affine()[:3, 3]) else slice(None, None, -1)
    assert np.allclose(host.voxels[:, :, order], voxels * slopes + intercepts, rtol=1e-6)
    assert any("its own rescale" in note for note in host.notes)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_files_are_read(tmp_path, syntax):
    voxels = write_series(tmp_path / "in", voxels_of("uint16"), bits=12, rescale=(2.0, -5.0))
    for file in (tmp_path / "in").iterdir():
        dataset = dcmread(file)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(file)
    host = HostBrain.read(tmp_path / "in")
    assert_same_in_place(host, voxels, oblique_affine())
    assert (host.slope, host.intercept) == (2.0, -5.0)


@pytest.mark.parametrize("compressor", ["JPEG", "JPEG2000"])
def test_files_that_gdcm_compressed_are_read(tmp_path, compressor):
    voxels = write_series(tmp_path / "in", voxels_of("uint16"), rescale=(2.0, -5.0))
    for file in (tmp_path / "in").iterdir():
        dataset = dcmread(file)
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "compressed.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.Execute(sitk.GetImageFromArray(dataset.pixel_array))
        packed = dcmread(tmp_path / "compressed.dcm")
        assert packed.file_meta.TransferSyntaxUID.is_encapsulated
        dataset.PixelData, dataset["PixelData"].is_undefined_length = packed.PixelData, True
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        dataset.save_as(file)
    assert_same_in_place(HostBrain.read(tmp_path / "in"), voxels, oblique_affine())


def test_files_without_a_preamble_are_read(tmp_path):
    voxels = write_series(tmp_path / "in")
    for file in (tmp_path / "in").iterdir():
        dataset = dcmread(file)
        del dataset.file_meta
        dataset.preamble = None
        dataset.save_as(file, implicit_vr=True, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    assert_same_in_place(HostBrain.read(tmp_path / "in"), voxels, oblique_affine())


# -- enhanced files


@pytest.mark.parametrize("order", [None, (9, 0, 8, 1, 7, 2, 6, 3, 5, 4)])
def test_a_multi_frame_file_is_read_in_any_order_of_frames(tmp_path, order):
    voxels = write_enhanced(tmp_path / "enhanced", order=order, rescale=(0.5, 3.0))
    for path in (tmp_path / "enhanced", tmp_path):
        host = HostBrain.read(path)
        assert_same_in_place(host, voxels, oblique_affine())
        assert (host.slope, host.intercept) == (0.5, 3.0)


# -- which series


def two_series(folder: Path) -> np.ndarray:
    write_series(folder)
    flair = voxels_of(seed=5)
    write_series(folder / "more", flair, uid=OTHER, SeriesDescription="FLAIR")
    for file in (folder / "more").iterdir():
        file.rename(folder / f"F{file.name}")
    (folder / "more").rmdir()
    return flair


def test_several_series_are_listed_and_one_is_chosen(tmp_path):
    flair = two_series(tmp_path)
    with pytest.raises(InputError) as error:
        HostBrain.read(tmp_path)
    assert_one_clear_line(error.value, str(tmp_path))
    for words in ("2 image series", "'FLAIR' (10 images)", OTHER, "T1 Zwiebelmueller", "--series"):
        assert words in str(error.value)
    file = next(file for file in sorted(tmp_path.iterdir()) if file.name.startswith("F"))
    for path, series in ((tmp_path, OTHER), (tmp_path, "FLAIR"), (file, None)):
        host = HostBrain.read(path, series=series)
        assert_same_in_place(host, flair, oblique_affine())
        assert np.array_equal(HostBrain.read(host.source).voxels, host.voxels), "its source leads to it alone"
    with pytest.raises(InputError, match="no series 'T2'"):
        HostBrain.read(tmp_path, series="T2")


def test_a_localizer_beside_a_series_is_left_out_with_a_note(tmp_path):
    voxels = write_series(tmp_path)
    write_series(
        tmp_path / "loc", uid=OTHER, SeriesDescription="loc", change=lambda d, k: setattr(d, "ImageType", LOCALIZER)
    )
    for file in (tmp_path / "loc").iterdir():
        file.rename(tmp_path / f"L{file.name}")
    host = HostBrain.read(tmp_path)
    assert_same_in_place(host, voxels, oblique_affine())
    assert any("left 'loc' (10 images)" in note for note in host.notes)


LOCALIZER = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def test_localizer_images_of_the_series_and_copies_are_left_out(tmp_path):
    def first_is_localizer(dataset, k):
        if k == 0:
            dataset.ImageType, dataset.ImageOrientationPatient = LOCALIZER, [1, 0, 0, 0, 0, -1]

    voxels = write_series(tmp_path, change=first_is_localizer)
    shutil.copy(tmp_path / "IM0003", tmp_path / "again")
    series = DicomSeries.find(tmp_path)
    assert series.shape == (14, 12, 9) and len(series.notes) == 2
    host = HostBrain.read(tmp_path)
    assert np.array_equal(np.sort(host.voxels.sum((0, 1))), np.sort(voxels[:, :, 1:].sum((0, 1))))


def test_files_in_any_order_make_the_series(tmp_path):
    write_series(tmp_path)
    files = sorted(tmp_path.iterdir(), reverse=True)
    assert DicomSeries.from_files(files).slices == DicomSeries.find(tmp_path).slices


def test_another_modality_is_read_with_a_note(tmp_path):
    write_series(tmp_path, Modality="CT")
    assert "modality CT" in HostBrain.read(tmp_path).notes[0]


# -- refusals


def tilted(folder):
    affine = oblique_affine(angles_degrees=(0, 0, 0))
    affine[1, 2] = 0.4
    write_series(folder, affine=affine)


def cut(folder, keep):
    write_series(folder)
    file = folder / "IM0004"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])


def frames(folder, *order):
    folder.mkdir()
    write_enhanced(folder / "enhanced", order=order)


def different_twins(folder):
    write_series(folder)
    dataset = dcmread(folder / "IM0003")
    dataset.ImageComments = "changed"
    dataset.save_as(folder / "again")


def turned(dataset, k):
    if k == 5:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]


def gone(*keywords):
    def change(dataset, k):
        for keyword in keywords:
            del dataset[keyword]

    return change


def high_bit(dataset, k):
    dataset.HighBit = 15


def colour(dataset, k):
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0


BAD = {
    "missing slice": (lambda folder: write_series(folder, skip=(4,)), "may be missing"),
    "tilted gantry": (tilted, "tilted gantry"),
    "truncated pixels": (lambda folder: cut(folder, 0.8), "IM0004: a damaged"),
    "truncated header": (lambda folder: cut(folder, 0.2), "IM0004: a damaged"),
    "colour": (lambda folder: write_series(folder, change=colour), "colour"),
    "negative": (lambda folder: write_series(folder, PhotometricInterpretation="MONOCHROME1"), "MONOCHROME1"),
    "no position": (lambda folder: write_series(folder, change=gone("ImagePositionPatient")), "where its slice lies"),
    "no spacing": (lambda folder: write_series(folder, change=gone("PixelSpacing")), "where its slice lies"),
    "zero spacing": (lambda folder: write_series(folder, PixelSpacing=[0, 0]), "pixels are 0 mm"),
    "turned slice": (lambda folder: write_series(folder, change=turned), "different size or direction"),
    "one slice": (lambda folder: write_series(folder, skip=range(1, 10)), "2D"),
    "negative slope": (lambda folder: write_series(folder, rescale=(-1.0, 0.0)), "slope -1"),
    "upper bits": (lambda folder: write_series(folder, bits=12, change=high_bit), "High Bit 15"),
    "different twins": (different_twins, "claim to be the same image"),
    "uneven frames": (lambda folder: frames(folder, 0, 1, 2, 4, 5), "may be missing"),
    "same frame twice": (lambda folder: frames(folder, 0, 1, 1, 2), "same place"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_volume_is_refused_with_the_reason(tmp_path, capfd, name):
    make, says = BAD[name]
    make(tmp_path / name)
    with pytest.raises(InputError) as error:
        HostBrain.read(tmp_path / name)
    assert_one_clear_line(error.value, name)
    assert says in str(error.value)
    assert capfd.readouterr().err == ""


def test_a_series_of_a_file_that_is_no_dicom_is_refused(tmp_path):
    HostBrain.from_array(voxels_of(), oblique_affine()).write_volume(tmp_path / "a.nii", voxels_of())
    with pytest.raises(InputError, match="no DICOM"):
        HostBrain.read(tmp_path / "a.nii", series="T1")


def test_without_pydicom_one_line_says_what_to_install(tmp_path):
    write_series(tmp_path / "in")
    code = (
        "import sys; sys.modules['pydicom'] = None\n"
        "from TumorSynthLib.host import HostBrain\n"
        f"HostBrain.read({str(tmp_path / 'in')!r})"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.splitlines()
    assert "pydicom, which is not installed; install tumorsynth[dicom]" in told[-1]


def test_reading_anything_else_loads_no_dicom_library():
    code = (
        "import sys, TumorSynthLib.host, TumorSynthLib.dicom.case, TumorSynthLib.dicom.series\n"
        "print({'pydicom', 'highdicom'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
