"""Grids of images: where each image is put, what its values become, what reaches the disk."""

import numpy as np
import pytest
from PIL import Image

from dgm_tf.report import grids

NAN = np.nan


class TestImageGrid:
    def test_places_images_row_by_row_with_two_pixels_of_white(self):
        images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones([3, 4, 5, 1], np.uint8)
        grid = grids.image_grid(images, 2)
        assert grid.shape == (2 + 2 * (4 + 2), 2 + 2 * (5 + 2), 1) and grid.dtype == np.uint8
        assert (grid[2:6, 2:7] == 1).all() and (grid[2:6, 9:14] == 2).all() and (grid[8:12, 2:7] == 3).all()
        assert (grid[8:12, 9:14] == 255).all()
        assert (grid[[0, 1, 6, 7, -2, -1]] == 255).all() and (grid[:, [0, 1, 7, 8, -2, -1]] == 255).all()

    def test_floats_map_from_minus_one_and_one_to_black_and_white(self):
        images = np.array([-1.0, 0.0, 1.0, NAN], np.float32).reshape(4, 1, 1, 1)
        assert grids.image_grid(images, 4)[2, 2::3, 0].tolist() == [0, 128, 255, 0]

    def test_uint8_round_trips_through_floats(self):
        values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
        grid = grids.image_grid(values.astype(np.float32) / 127.5 - 1, 1)
        np.testing.assert_array_equal(grid[2:-2, 2:-2], values[0])

    @pytest.mark.parametrize(("shape", "value"), [([2, 4, 4], 0), ([0, 4, 4, 1], 0), ([1, 4, 4, 1], 255)])
    def test_wrong_images_are_refused(self, shape, value):
        with pytest.raises(ValueError, match="images must"):
            grids.image_grid(np.full(shape, value), 1)


class TestSaveImage:
    @pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
    def test_round_trip(self, tmp_path, shape):
        array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        grids.save_image(array, tmp_path / "new" / "image.png")
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "image.png")), array.squeeze())

    @pytest.mark.parametrize(("shape", "dtype"), [([4, 5], float), ([4, 5, 2], np.uint8), ([4], np.uint8)])
    def test_wrong_arrays_are_refused(self, tmp_path, shape, dtype):
        with pytest.raises(ValueError, match="array must be uint8"):
            grids.save_image(np.zeros(shape, dtype), tmp_path / "image.png")
        assert list(tmp_path.iterdir()) == []
