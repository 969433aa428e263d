"""A picture is read as it is seen, or refused with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels import picture
from kernels.flow import Value

Image = pytest.importorskip("PIL.Image")

RAMP = np.linspace(0, 65535, 8).astype(np.uint16)[None]


@pytest.mark.parametrize(
    ("name", "big"), [("ramp.png", False), ("ramp.tiff", False), ("ramp.tiff", True)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_a_pixel_are_scaled_to_8(
    name: str, big: bool, channels: int, tmp_path: Path
) -> None:
    image = Image.fromarray(RAMP.astype(">u2")) if big else Image.fromarray(RAMP)
    assert image.mode.startswith("I;16B" if big else "I;16")
    image.save(tmp_path / name)
    seen = picture.read(tmp_path / name, Value(False, 1, 1, 8, channels))
    assert seen[0, :, channels - 1].tolist() == [0, 36, 73, 109, 146, 182, 219, 255]


@pytest.mark.parametrize("of", [np.float32, np.int32])
def test_a_picture_whose_largest_number_is_not_known_is_refused(of: type, tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(of)).save(file := tmp_path / "ramp.tiff")
    with pytest.raises(ValueError, match=f"{file} cannot be read as a picture: 8 or 16 bits a cha"):
        picture.read(file, Value(False, 1, 1, 8, 1))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.ppm", b"P6 1\xd6 16 255 "),
        ("a.sgi", b"\x01\xda\x00\x02" + bytes(508)),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_a_damaged_picture_is_an_error_that_names_it(
    name: str, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"{tmp_path / name} cannot be read as a picture: "):
        picture.read(tmp_path / name, Value(False, 1, 8, 8, 3))


@pytest.mark.parametrize("shape", ["(10000000000000000000000,)", "(-1, 4, 2)", "(1099511627776,)"])
def test_a_npy_that_says_an_endless_shape_is_an_error_that_names_it(
    shape: str, tmp_path: Path
) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    file = tmp_path / "endless.npy"
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(ValueError, match=f"{file} cannot be read as a .npy: "):
        picture.read(file, Value(False, 1, 4, 4, 2))
