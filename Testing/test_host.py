"""A host comes in and goes out unchanged, and lies where its file says."""

from __future__ import annotations

import gzip
import itertools

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from TumorSynthLib.errors import InputError, ResourceError
from TumorSynthLib.host import HostBrain, parse_point, read_mask
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

DTYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")

affines = st.builds(
    oblique_affine,
    spacing_mm=st.tuples(*[st.floats(0.3, 6.0)] * 3),
    angles_degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    flips=st.tuples(*[st.sampled_from((-1, 1))] * 3),
    axes=st.permutations(range(3)),
    origin_ras=st.tuples(*[st.floats(-200, 200)] * 3),
)


def host_of(dtype="int16", affine=None, seed=0) -> HostBrain:
    return HostBrain.from_array(voxels_of(dtype, seed=seed), oblique_affine() if affine is None else affine)


# -- round trips


@pytest.mark.parametrize(("suffix", "dtype"), list(itertools.product(FORMATS, DTYPES)))
def test_every_format_returns_the_voxels_in_their_own_type(tmp_path, suffix, dtype):
    host = host_of(dtype)
    path = tmp_path / f"a brain, schräg{suffix}"
    host.write_volume(path, host.voxels)
    again = HostBrain.read(path)
    assert again.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(again.voxels, host.voxels)
    assert np.allclose(again.affine, host.affine, atol=1e-5)
    assert again.same_grid(host.shape, host.affine)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_detached_headers_are_read(tmp_path, suffix):
    host = host_of()
    host.write_volume(tmp_path / "a.nrrd", host.voxels)
    sitk.WriteImage(sitk.ReadImage(tmp_path / "a.nrrd"), tmp_path / f"a{suffix}")
    assert np.array_equal(HostBrain.read(tmp_path / f"a{suffix}").voxels, host.voxels)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(affine=affines, dtype=st.sampled_from(DTYPES))
def test_any_orientation_is_the_same_for_nibabel(tmp_path, affine, dtype):
    host = host_of(dtype, affine)
    host.write_volume(tmp_path / "a.nii", host.voxels)
    image = nibabel.load(tmp_path / "a.nii")
    assert np.array_equal(np.asarray(image.dataobj), host.voxels)
    assert np.allclose(image.get_sform(), affine, atol=1e-4)
    assert np.allclose(image.get_qform(), affine, atol=1e-3)
    assert HostBrain.read(tmp_path / "a.nii").same_grid(host.shape, affine)


@settings(max_examples=100, deadline=None)
@given(affine=affines, points=hnp.arrays(float, (5, 3), elements=st.floats(-300, 300)))
def test_millimetres_and_voxels_are_each_others_inverse(affine, points):
    host = host_of(affine=affine)
    assert np.abs(host.ras_to_ijk(host.ijk_to_ras(points)) - points).max() < 1e-6
    assert np.abs(host.ijk_to_ras(host.ras_to_ijk(points)) - points).max() < 1e-6


def test_a_rescale_stays_in_the_header(tmp_path):
    raw = voxels_of("int16")
    path = tmp_path / "scaled.nii.gz"
    save_nifti(tmp_path / "raw.nii", raw)
    path.write_bytes(gzip.compress(patch(tmp_path / "raw.nii", 112, "<2f", 0.37, -12.5).read_bytes()))
    scaled = nibabel.load(path)
    host = HostBrain.read(path)
    assert host.voxels.dtype == np.int16
    assert np.array_equal(host.voxels, raw)

    host.write_volume(tmp_path / "again.nii.gz", host.voxels, keep_scale=True)
    again = nibabel.load(tmp_path / "again.nii.gz")
    assert again.get_data_dtype() == np.int16
    assert (again.dataobj.slope, again.dataobj.inter) == (scaled.dataobj.slope, scaled.dataobj.inter)
    assert np.array_equal(again.get_fdata(), scaled.get_fdata())

    host.write_volume(tmp_path / "mask.nii.gz", host.voxels > 500)
    assert set(np.unique(nibabel.load(tmp_path / "mask.nii.gz").get_fdata())) == {0, 1}


def test_big_endian_files_and_single_volume_series_are_read(tmp_path):
    voxels = voxels_of("int16")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.Nifti1Image(voxels[..., None], oblique_affine(), header).to_filename(tmp_path / "a.nii")
    host = HostBrain.read(tmp_path / "a.nii")
    assert host.voxels.dtype == np.dtype("int16")
    assert np.array_equal(host.voxels, voxels)


def test_a_reordered_volume_holds_the_same_points(tmp_path):
    host = host_of()
    turned = HostBrain.from_array(
        host.voxels.transpose(2, 0, 1)[:, ::-1],
        host.affine @ _permutation(host.shape),
    )
    turned.write_volume(tmp_path / "a.nii.gz", turned.voxels)
    again = HostBrain.read(tmp_path / "a.nii.gz")
    assert np.sign(np.linalg.det(again.affine)) != np.sign(np.linalg.det(host.affine))
    index = np.array([3, 5, 7])
    there = np.rint(again.ras_to_ijk(host.ijk_to_ras(index))).astype(int)
    assert again.voxels[tuple(there)] == host.voxels[tuple(index)]
    assert again.intensity_window == host.intensity_window


def _permutation(shape) -> np.ndarray:
    """New index (k, reversed i, j) to old (i, j, k)."""
    matrix = np.zeros((4, 4))
    matrix[2, 0], matrix[0, 1], matrix[1, 2], matrix[3, 3] = 1, -1, 1, 1
    matrix[0, 3] = shape[0] - 1
    return matrix


def test_rounding_in_a_header_is_not_shear(tmp_path):
    affine = oblique_affine(angles_degrees=(0, 0, 0))
    affine[0, 1] += 4e-4
    host = HostBrain.read(save_nifti(tmp_path / "a.nii", voxels_of(), affine))
    assert host.same_grid(SHAPE, affine)
    host.write_volume(tmp_path / "b.nii", host.voxels)
    assert np.array_equal(nibabel.load(tmp_path / "a.nii").affine, nibabel.load(tmp_path / "b.nii").affine)
    assert HostBrain.read(tmp_path / "b.nii").same_grid(SHAPE, affine)


def test_where_a_header_contradicts_itself_slicer_decides(tmp_path):
    image = nibabel.Nifti1Image(voxels_of(), oblique_affine())
    image.set_qform(oblique_affine(), 1)
    image.set_sform(oblique_affine(origin_ras=(0, 0, 0)), 2)
    image.to_filename(tmp_path / "a.nii")
    origin_lps = sitk.ReadImage(tmp_path / "a.nii").GetOrigin()
    assert np.allclose(HostBrain.read(tmp_path / "a.nii").ijk_to_ras((0, 0, 0)) * (-1, -1, 1), origin_lps)


# -- what a written file says


def test_written_files_say_synthetic_and_repeat_to_the_byte(tmp_path):
    host = host_of()
    for suffix in FORMATS:
        first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
        for path in (first, second):
            host.write_volume(path, host.voxels, "SYNTHETIC lesion " + "é" * 100)
        assert first.read_bytes() == second.read_bytes()
        assert b"SYNTHETIC lesion" in (gzip.decompress if suffix == ".nii.gz" else bytes)(first.read_bytes())
    assert nibabel.load(tmp_path / "first.nii").header["descrip"].item().startswith(b"SYNTHETIC")


def test_a_failed_write_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    host = host_of()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        for suffix in FORMATS:
            with pytest.raises(ResourceError) as error:
                host.write_volume(tmp_path / f"full{suffix}", host.voxels)
            assert_one_clear_line(error.value, f"full{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_or_unknown_suffix_is_refused_before_writing(tmp_path):
    host = host_of()
    with pytest.raises(ResourceError) as error:
        host.write_volume(tmp_path / "nowhere" / "a.nii.gz", host.voxels)
    assert_one_clear_line(error.value, "nowhere")
    with pytest.raises(InputError) as error:
        host.write_volume(tmp_path / "a.png", host.voxels)
    assert_one_clear_line(error.value, "a.png")


# -- intensity scale and identity


def test_the_window_runs_from_minimum_to_98th_percentile_and_back():
    for dtype in DTYPES:
        host = host_of(dtype)
        low, high = host.intensity_window
        assert (low, high) == (host.voxels.min(), np.percentile(host.voxels, 98))
        scaled = host.normalized(host.voxels)
        assert scaled.dtype == np.float32
        assert scaled.min() == 0 and scaled.max() > 1
        assert np.allclose(host.to_stored(host.denormalized(scaled)), host.voxels, rtol=1e-5)


def test_a_dominating_background_does_not_close_the_window():
    voxels = np.zeros((20, 20, 20), np.int16)
    voxels[10, 10, :] = np.arange(100, 120)
    assert HostBrain.from_array(voxels, np.eye(4)).intensity_window == (0, np.percentile(np.arange(100, 120), 98))


@pytest.mark.parametrize("dtype", DTYPES[:8])
def test_values_beyond_an_integer_type_are_clipped_and_others_rounded(dtype):
    limits = np.iinfo(dtype)
    stored = host_of(dtype).to_stored(np.array([-1e30, 41.6, 1e30]))
    assert stored.dtype == np.dtype(dtype)
    assert stored.tolist() == [limits.min, 42, limits.max]


def test_the_checksum_knows_voxels_type_and_place_but_not_the_file(tmp_path):
    host = host_of()
    checksums = {
        host.checksum(),
        host_of(seed=1).checksum(),
        HostBrain.from_array(host.voxels.astype("int32"), host.affine).checksum(),
        HostBrain.from_array(host.voxels, oblique_affine(flips=(-1, 1, 1))).checksum(),
    }
    assert len(checksums) == 4
    assert HostBrain.from_array(np.ascontiguousarray(host.voxels), host.affine).checksum() == host.checksum()
    for suffix in FORMATS:
        host.write_volume(tmp_path / f"a{suffix}", host.voxels)
    assert len({HostBrain.read(tmp_path / f"a{suffix}").checksum() for suffix in FORMATS[:2]}) == 1


def test_a_host_cannot_be_changed():
    voxels = voxels_of()
    host = HostBrain.from_array(voxels, np.eye(4))
    with pytest.raises(ValueError):
        host.voxels[0, 0, 0] = 1
    before = host.voxels[0, 0, 0].copy()
    voxels[0, 0, 0] += 1
    assert host.voxels[0, 0, 0] == before


# -- points


def test_points_are_understood_in_all_three_spaces():
    host = host_of()
    ras = host.ijk_to_ras((3, 4, 5))
    assert np.allclose(parse_point((3, 4, 5), "ijk", host), ras)
    assert np.allclose(parse_point(ras, "ras", host), ras)
    assert np.allclose(parse_point(ras * (-1, -1, 1), "lps", host), ras)
    for values in ((1, 2), (1, 2, np.nan), ("a", 2, 3), (1, 2, 3, 4)):
        with pytest.raises(InputError):
            parse_point(values, "ras", host)
    with pytest.raises(InputError):
        parse_point((1, 2, 3), "mni", host)


def test_the_volume_reaches_half_a_voxel_beyond_its_outermost_centres():
    host = host_of()
    last = np.array(SHAPE) - 1
    assert host.contains(host.ijk_to_ras((0, 0, 0))) and host.contains(host.ijk_to_ras(last + 0.49))
    assert not host.contains(host.ijk_to_ras((-0.51, 0, 0))) and not host.contains(host.ijk_to_ras(last + 0.51))


# -- DICOM


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_a_dicom_folder_is_put_in_order(tmp_path, flips):
    voxels, affine = voxels_of("int16"), oblique_affine(flips=flips)
    write_dicom_slices(tmp_path / "Schädel MR", voxels, affine)
    host = HostBrain.read(tmp_path / "Schädel MR")
    assert host.shape == SHAPE
    indices = np.array([[0, 0, 0], [13, 11, 9], [3, 8, 2]])
    there = host.ras_to_ijk((affine @ np.c_[indices, [1, 1, 1]].T).T[:, :3])
    assert np.abs(there - np.rint(there)).max() < 1e-4
    assert np.array_equal(host.voxels[tuple(np.rint(there).astype(int).T)], voxels[tuple(indices.T)])


def test_a_multi_frame_dicom_file_is_read(tmp_path):
    for spacing in (2.5, 1.0):
        voxels, affine = voxels_of(), oblique_affine((0.9, 1.1, spacing))
        write_dicom_frames(tmp_path / "frames.dcm", voxels, affine)
        for path in (tmp_path / "frames.dcm", tmp_path):
            host = HostBrain.read(path)
            assert host.same_grid(SHAPE, affine)
            assert np.array_equal(host.voxels, voxels)


# -- masks


def test_a_mask_comes_back_as_booleans(tmp_path):
    host = host_of()
    mask = host.voxels > 500
    for name, stored in {"a.nii.gz": mask, "b.nrrd": mask * np.float32(1), "c.nii": mask * np.int16(255)}.items():
        host.write_volume(tmp_path / name, stored)
        assert np.array_equal(read_mask(tmp_path / name, host), mask)


BAD_MASKS = {
    "other-size.nii": (voxels_of()[1:] > 500, oblique_affine(), "13 x 12 x 10"),
    "other-place.nii": (voxels_of() > 500, oblique_affine(origin_ras=(0, 0, 0)), "mm apart"),
    "flipped.nii": (voxels_of() > 500, oblique_affine(flips=(-1, 1, 1)), "mm apart"),
    "empty.nii": (np.zeros(SHAPE, bool), oblique_affine(), "empty"),
    "labels.nii": (voxels_of() // 1000, oblique_affine(), "not a binary mask"),
    "undefined.nii": (np.where(voxels_of() > 500, np.nan, 0), oblique_affine(), "not a binary mask"),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_an_unfit_mask_is_refused(tmp_path, name):
    voxels, affine, says = BAD_MASKS[name]
    save_nifti(tmp_path / name, voxels.astype(np.uint8 if voxels.dtype == bool else voxels.dtype), affine)
    with pytest.raises(InputError) as error:
        read_mask(tmp_path / name, host_of())
    assert_one_clear_line(error.value, name)
    assert says in str(error.value)


def test_a_mask_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InputError) as error:
        read_mask(tmp_path / "missing.nii.gz", host_of())
    assert_one_clear_line(error.value, "missing.nii.gz")
