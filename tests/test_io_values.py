"""What is read is what the numbers of a file stand for, and is written as such."""

import mrcfile
import nibabel
import numpy as np
import pytest

from n2d.io import ImageFile, ImageFileError, open_image, read_image, write_image

RAMP = np.arange(42, dtype=np.float64).reshape(6, 7)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_is_read_as_values_and_keeps_its_numbers(tmp_path, suffix):
    values = 100.0 + 0.37 * RAMP
    image = nibabel.Nifti1Image(values.T, np.eye(4))
    image.header.set_data_dtype(np.int16)
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    nibabel.save(image, source)
    image = read_image(source)
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data, values, atol=1e-3)
    with open_image(source) as opened:
        np.testing.assert_array_equal(opened.data[2:4, 1], image.data[2:4, 1])
    write_image(target, image.data, like=image)
    before, after = nibabel.load(source), nibabel.load(target)
    assert after.get_data_dtype() == np.int16
    np.testing.assert_array_equal(
        before.dataobj.get_unscaled(), after.dataobj.get_unscaled()
    )
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())
    with pytest.warns(UserWarning, match="1 of 42 values were beyond"):
        write_image(
            target, np.where(RAMP == 3, 1e6, image.data), like=image, overwrite=True
        )
    write_image(tmp_path / "c.tif", image.data, like=image)
    np.testing.assert_array_equal(read_image(tmp_path / "c.tif").data, image.data)


@pytest.mark.parametrize("kind", ["Nifti2Image", "Nifti2Pair"])
def test_nifti_2_stays_so(tmp_path, kind):
    affine = np.diag([1 / 3, 1, 1, 1])  # single precision would not hold it
    nifti = getattr(nibabel, kind)(RAMP.astype(np.float32).T, affine)
    source = tmp_path / ("a.nii" if kind == "Nifti2Image" else "a.img")
    nibabel.save(nifti, source)
    image = read_image(source)
    write_image(tmp_path / "b.nii", image.data, like=image)
    written = nibabel.load(tmp_path / "b.nii")
    assert isinstance(written, nibabel.Nifti2Image)
    np.testing.assert_array_equal(written.affine, affine)


def test_nifti_as_float32_has_the_values_themselves(tmp_path):
    from n2d.files.denoising import denoise_file

    rng = np.random.default_rng(0)
    image = nibabel.Nifti1Image(rng.normal(700, 50, (48, 48)), np.eye(4))
    image.header.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    few = {"max_iter": 2, "detail_max_iter": 0, "random_state": 0}
    for dtype, stored in (("same", np.int16), ("float32", np.float32)):
        target = tmp_path / f"{dtype}.nii"
        denoise_file(tmp_path / "a.nii", target, dtype=dtype, **few)
        result = nibabel.load(target)
        assert result.get_data_dtype() == stored
        assert result.get_fdata().mean() == pytest.approx(700, abs=20)


def write_mrc(path, array):
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(array)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize(
    ("flags", "dtype"), [(0, np.uint8), (1, np.int8), (None, np.uint8)]
)
def test_bytes_of_mrc_have_the_sign_that_imod_says(tmp_path, flags, dtype):
    stored = (RAMP * 6).astype(np.uint8)
    source, target = tmp_path / "a.mrc", tmp_path / "b.mrc"
    content = write_mrc(source, stored.view(np.int8))
    if flags is not None:
        content[152:160] = np.array([1146047817, flags], "<i4").tobytes()
    else:  # a largest value that no byte with a sign has
        content[76:88] = np.array([0, 246, 123], "<f4").tobytes()
    source.write_bytes(content)
    image = read_image(source)
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, stored.view(dtype))
    write_image(target, image.data, like=image)
    again = read_image(target)
    assert again.data.dtype == dtype
    np.testing.assert_array_equal(again.data, image.data)


@pytest.mark.parametrize("width", [12, 11])
def test_mrc_of_four_bits_a_pixel(tmp_path, width):
    stored = np.random.default_rng(0).integers(0, 16, (3, 8, width)).astype(np.uint8)
    padded = np.pad(stored, [(0, 0), (0, 0), (0, width % 2)])
    content = write_mrc(tmp_path / "a.mrc", stored.view(np.int8))[:1024]
    content[12:16] = np.array([101], "<i4").tobytes()
    packed = padded[..., ::2] | padded[..., 1::2] << 4
    (tmp_path / "a.mrc").write_bytes(content + packed.tobytes())
    image = read_image(tmp_path / "a.mrc")
    np.testing.assert_array_equal(image.data, stored)
    write_image(tmp_path / "b.mrc", image.data, like=image)
    np.testing.assert_array_equal(read_image(tmp_path / "b.mrc").data, stored)


@pytest.mark.parametrize(
    ("mode", "what"), [(3, "complex"), (4, "complex"), (16, "col")]
)
def test_mrc_of_no_intensities(tmp_path, mode, what):
    content = write_mrc(tmp_path / "a.mrc", np.zeros((8, 8), np.float32))
    content[12:16] = np.array([mode], "<i4").tobytes()
    (tmp_path / "a.mrc").write_bytes(content * 2)
    with pytest.raises(ImageFileError, match=f"holds {what}"):
        read_image(tmp_path / "a.mrc")


def test_bytes_of_other_formats_become_16_bits_in_mrc(tmp_path):
    stored = (RAMP * 6).astype(np.uint8)
    write_image(tmp_path / "a.mrc", stored)
    np.testing.assert_array_equal(mrcfile.read(tmp_path / "a.mrc"), stored)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4"])
@pytest.mark.parametrize("stamp", [b"\0\0\0\0", b"DA\0\0", b"\x11\x11\0\0", b"abcd"])
def test_mrc_with_a_wrong_machine_stamp(tmp_path, order, dtype, stamp):
    values = (RAMP - 10).astype(dtype)
    path = tmp_path / "a.mrc"
    content = write_mrc(path, values.astype(values.dtype.newbyteorder(order)))
    content[212:216] = stamp
    path.write_bytes(content)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, values)
    write_image(tmp_path / "b.mrc", image.data, like=image)
    np.testing.assert_array_equal(mrcfile.read(tmp_path / "b.mrc"), values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4"])
def test_what_programs_put_into_mrc_can_still_be_read(tmp_path, order, dtype):
    values = np.stack([RAMP] * 2).astype(dtype)
    path, target = tmp_path / "a.mrc", tmp_path / "b.mrc"
    content = write_mrc(path, values)
    header = np.frombuffer(bytes(content[:1024]), mrcfile.dtypes.HEADER_DTYPE)
    header = header.astype(header.dtype.newbyteorder(order))
    header["machst"] = [68, 68, 0, 0] if order == "<" else [17, 17, 0, 0]
    header["nsymbt"], header["exttyp"] = 8, b"SERI"
    extra = bytearray(84)
    extra[16:20] = np.array([4, 3], f"{order}i2").tobytes()  # how to read what follows
    extra[40:48] = np.array([1146047817, 5], f"{order}i4").tobytes()
    extra[60:72] = np.array([1.5, 0, 90], f"{order}f4").tobytes()  # tilt angles
    header["extra1"], header["extra2"] = b"somebody", np.void(bytes(extra))
    tilts = np.array([-6000, 7, 6000, 7], f"{order}i2").tobytes()
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(header.tobytes() + tilts + pixels)
    image = read_image(path)
    write_image(target, image.data, like=image)
    again = target.read_bytes()
    assert again[96:104] + again[112:196] == b"somebody" + bytes(extra)
    assert again[1024:] == tilts + pixels
    assert again[212:214] == bytes(header["machst"].ravel()[:2])
    np.testing.assert_array_equal(mrcfile.read(target), values)


def test_unsigned_bytes_keep_the_other_flags_of_imod(tmp_path):
    content = write_mrc(tmp_path / "a.mrc", RAMP.astype(np.int8))
    content[152:160] = np.array([1146047817, 4], "<i4").tobytes()
    (tmp_path / "a.mrc").write_bytes(content)
    image = read_image(tmp_path / "a.mrc")
    write_image(tmp_path / "b.mrc", image.data, like=image)
    assert (tmp_path / "b.mrc").read_bytes()[152:160] == content[152:160]


@pytest.mark.parametrize("axes", [(3, 2, 1), (2, 3, 1), (1, 2, 3), (0, 0, 0)])
def test_columns_of_mrc_may_lie_along_any_axis(tmp_path, axes):
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(np.stack([RAMP] * 3).astype(np.float32))
        mrc.set_volume()
        lengths = {1: 2.0, 2: 3.0, 3: 5.0}
        n_along = dict(zip(axes, mrc.data.shape[::-1], strict=True))
        if 0 in axes:
            n_along = dict(zip((1, 2, 3), mrc.data.shape[::-1], strict=True))
        for number, name in enumerate("xyz", 1):
            mrc.header[f"m{name}"] = n_along[number]
            mrc.header.cella[name] = n_along[number] * lengths[number]
        mrc.header.mapc, mrc.header.mapr, mrc.header.maps = axes
    image = read_image(tmp_path / "a.mrc")
    along = (1, 2, 3) if 0 in axes else axes
    expected = {a: lengths[number] for a, number in zip("XYZ", along, strict=True)}
    found = {a: length for a, (length, _) in image.pixel_size.items()}
    assert found == pytest.approx(expected)
    write_image(tmp_path / "b.mrc", image.data, like=image)
    assert read_image(tmp_path / "b.mrc").pixel_size == image.pixel_size


def test_a_series_has_no_distance_of_sections(tmp_path):
    sizes = dict.fromkeys("YX", (0.5, "nanometer"))
    like = ImageFile(None, "TYX", "npy", pixel_size=sizes)
    stack = np.stack([RAMP] * 3).astype(np.int16)
    write_image(tmp_path / "a.mrc", stack, like=like)
    with mrcfile.open(tmp_path / "a.mrc") as mrc:
        assert mrc.voxel_size.tolist() == pytest.approx((5, 5, 0))


def test_what_is_no_mrc_is_refused(tmp_path):
    path = tmp_path / "a.mrc"
    path.write_bytes(bytes(np.random.default_rng(0).integers(0, 255, 5000, np.uint8)))
    with pytest.raises(ImageFileError):
        read_image(path)
