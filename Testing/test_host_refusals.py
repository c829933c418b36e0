"""What is not a brain volume is refused in one line: the file, what is wrong with it, what would be right."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from TumorSynthLib.errors import InputError
from TumorSynthLib.host import HostBrain
from volumes import (
    SHAPE,
    assert_one_clear_line,
    oblique_affine,
    patch,
    save_nifti,
    voxels_of,
    write_dicom_frames,
    write_dicom_slices,
)


def _two_series(folder):
    write_dicom_slices(folder, voxels_of(), oblique_affine())
    write_dicom_slices(folder, voxels_of(), oblique_affine(), "1.2.826.0.1.3680043.8.498.9", "FLAIR")


def _sheared_series(folder):
    affine = oblique_affine(angles_degrees=(0, 0, 0))
    affine[1, 2] = 0.4
    write_dicom_slices(folder, voxels_of(), affine)


def _repeated_series(folder):
    write_dicom_slices(folder, voxels_of(), oblique_affine(), description="A")
    for file in list(folder.iterdir()):
        again = bytearray(file.read_bytes()).replace(b"8.498.1.", b"8.498.7.")  # another image of the same series
        file.with_name(f"again{file.name}").write_bytes(again)


def _truncated_series(folder):
    write_dicom_slices(folder, voxels_of(), oblique_affine())
    file = min(folder.iterdir())
    file.write_bytes(file.read_bytes()[:-200])


def _no_images(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing here")


def _uneven_frames(folder):
    folder.mkdir()
    write_dicom_frames(folder / "frames.dcm", voxels_of(), oblique_affine(), planes=(0, 1, 2, 4, 5, 6))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_two_series, "FLAIR"),
        (lambda folder: write_dicom_slices(folder, voxels_of(), oblique_affine(), skip=(4,)), "irregular"),
        (lambda folder: write_dicom_slices(folder, voxels_of(), oblique_affine(), skip=range(1, 10)), "2D"),
        (_sheared_series, "sheared"),
        (_repeated_series, "same place"),
        (_truncated_series, "damaged"),
        (_no_images, "no DICOM"),
        (_uneven_frames, "irregular"),
    ],
)
def test_a_dicom_folder_that_is_no_volume_is_refused(tmp_path, capfd, make, says):
    make(tmp_path / "case 7")
    with pytest.raises(InputError) as error:
        HostBrain.read(tmp_path / "case 7")
    assert_one_clear_line(error.value, "case 7")
    assert says in str(error.value)
    assert capfd.readouterr().err == ""


# -- bad input


def _with_value(value):
    voxels = voxels_of("float32")
    voxels[2:4, 5, 5] = value
    return voxels


def _cut(path, kept):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    return path


def _written(path, dtype="int16"):
    host = HostBrain.from_array(voxels_of(dtype), oblique_affine())
    host.write_volume(path, host.voxels)
    return path


def _scaled_axis(factors):
    return oblique_affine() @ np.diag([*factors, 1])


def _sheared():
    affine = oblique_affine(angles_degrees=(0, 0, 0))
    affine[0, 1] = 0.1
    return affine


def _colour(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((8, 8, 8, 3), np.uint8), isVector=True), path)


def _garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def _huge_nrrd(path):
    path.write_bytes(b"NRRD0004\ntype: short\ndimension: 3\nsizes: 900 900 900\nencoding: gzip\nendian: little\n\nabc")


def _huge_meta(path):
    path.write_bytes(
        b"ObjectType = Image\nNDims = 3\nDimSize = 90000 90000 90000\nElementType = MET_SHORT\n"
        b"ElementSpacing = 1 1 1\nElementDataFile = LOCAL\nabc"
    )


BAD_FILES = {
    "missing.nii.gz": (lambda path: None, "no such file"),
    "nothing.nii": (lambda path: path.touch(), "empty"),
    "words.nii": (lambda path: path.write_text("I am not an image"), "not a NIfTI"),
    "words.nii.gz": (_garbage, "not a NIfTI"),
    "words.nrrd": (_garbage, "damaged"),
    "words.mha": (_garbage, "damaged"),
    "words.mhd": (lambda path: path.write_text("NDims = 3"), "damaged"),
    "words.dcm": (_garbage, "damaged"),
    "picture.png": (_garbage, "not a volume"),
    "noname": (_garbage, "not a volume"),
    "cut.nii": (lambda path: _cut(_written(path), 0.7), "truncated"),
    "cut.nii.gz": (lambda path: _cut(_written(path), 0.7), "truncated"),
    "cut-in-header.nii.gz": (lambda path: _cut(_written(path), 0.02), "truncated"),
    "cut.nrrd": (lambda path: _cut(_written(path), 0.7), "damaged"),
    "cut.mha": (lambda path: _cut(_written(path), 0.7), "damaged"),
    "flat.nii": (lambda path: save_nifti(path, voxels_of()[:, :, 0]), "2D"),
    "flat3.nii": (lambda path: save_nifti(path, voxels_of()[:, :, :1]), "2D"),
    "flat.nrrd": (lambda path: sitk.WriteImage(sitk.GetImageFromArray(voxels_of()[0]), path), "2D"),
    "thin.nii": (lambda path: save_nifti(path, voxels_of()[:, :, :3]), "at least 4"),
    "series.nii": (lambda path: save_nifti(path, np.stack([voxels_of()] * 2, -1)), "4D"),
    "vector.nii": (lambda path: save_nifti(path, np.stack([voxels_of()] * 3, -1)[:, :, :, None]), "vector"),
    "colour.nii": (_colour, "colour"),
    "colour.nrrd": (_colour, "vector"),
    "colour.mha": (_colour, "vector"),
    "complex.nii": (lambda path: save_nifti(path, voxels_of().astype("complex64")), "data type"),
    "nan.nii": (lambda path: save_nifti(path, _with_value(np.nan)), "2 voxels are not finite"),
    "inf.nii.gz": (lambda path: save_nifti(path, _with_value(-np.inf)), "2 voxels are not finite"),
    "constant.nii": (lambda path: save_nifti(path, np.full(SHAPE, 7, np.int16)), "every voxel is 7"),
    "zeros.nii": (lambda path: save_nifti(path, np.zeros(SHAPE, np.int16)), "every voxel is 0"),
    "coarse.nii": (lambda path: save_nifti(path, voxels_of(), _scaled_axis((1, 1, 8))), "20 mm"),
    "fine.nii": (lambda path: save_nifti(path, voxels_of(), _scaled_axis((0.01, 1, 1))), "between 0.1 and 10"),
    "sheared.nii": (lambda path: save_nifti(path, voxels_of(), _sheared()), "sheared"),
    "singular.nii": (lambda path: patch(save_nifti(path, voxels_of()), 280, "<12f", *[0, 0, 0, 5] * 3), "singular"),
    "lost.nii": (lambda path: patch(save_nifti(path, voxels_of()), 280, "<12f", *[np.nan] * 12), "affine"),
    "inverted.nii": (lambda path: patch(save_nifti(path, voxels_of()), 112, "<2f", -1, 0), "negative"),
    "nifti2.nii": (lambda path: nibabel.Nifti2Image(voxels_of(), np.eye(4)).to_filename(path), "NIfTI-2"),
    "sizes.nii": (lambda path: patch(_written(path), 40, "<4h", 3, -5, 12, 10), "damaged"),
    "huge.nii": (lambda path: patch(_written(path), 40, "<4h", 3, 30000, 30000, 30000), "at most"),
    "large.nii.gz": (
        lambda path: path.write_bytes(
            gzip.compress(patch(_written(path.with_name("a.nii")), 40, "<4h", 3, 1000, 1000, 1000).read_bytes())
        ),
        "truncated",
    ),
    "huge.nrrd": (_huge_nrrd, "truncated"),
    "huge.mha": (_huge_meta, "at most"),
    "packed.nii": (lambda path: path.write_bytes(gzip.compress(b"abc")), "rename"),
    "damaged.nii.gz": (lambda path: patch(_written(path), 600, "4B", 1, 2, 3, 4), "damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_clear_line(tmp_path, capfd, name):
    make, says = BAD_FILES[name]
    make(tmp_path / name)
    capfd.readouterr()
    with pytest.raises(InputError) as error:
        HostBrain.read(tmp_path / name)
    assert_one_clear_line(error.value, name)
    assert says in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("voxels", "affine"),
    [
        (voxels_of("complex64"), np.eye(4)),
        (np.full(SHAPE, "brain"), np.eye(4)),
        (np.zeros((0, 5, 5)), np.eye(4)),
        (voxels_of(), np.zeros((4, 4))),
        (voxels_of(), np.eye(3)),
        (voxels_of(), np.full((4, 4), np.nan)),
    ],
)
def test_a_bad_array_is_refused_too(voxels, affine):
    with pytest.raises(InputError):
        HostBrain.from_array(voxels, affine)
