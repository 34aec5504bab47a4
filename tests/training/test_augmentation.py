"""Random changes of the classifier's inputs."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.training import augmentation
from dgm_tf.training.augmentation import Augmentation

OFF = {
    "black_level": (0.0, 0.0), "contrast": (1.0, 1.0), "translation": 0.0, "rotation": 0.0, "zoom": 0.0, "noise": 0.0,
}  # fmt: skip
SEED = tf.constant([3, 4])


def augmented(images, seed=SEED, **on):
    return Augmentation(**OFF | on)(tf.constant(images, tf.float32), seed).numpy()


def pictures(count=6, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 32, 32, 1)).astype(np.float32)


def dots(count=200, size=32):
    """Black images with a 2x2 white square in the middle."""
    images = np.full((count, size, size, 1), -1.0, np.float32)
    images[:, size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1] = 1.0
    return images


def centers(images):
    """[N, 2] of (x, y), the brightness's center of gravity, relative to the image's middle."""
    light = (images[..., 0] + 1.0) / 2.0
    grid = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2.0
    total = light.sum((1, 2))
    return np.stack([(light.sum(1) * grid).sum(1) / total, (light.sum(2) * grid).sum(1) / total], axis=1)


def test_all_off_changes_nothing():
    np.testing.assert_allclose(augmented(pictures()), pictures(), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay(channels):
    images = tf.zeros([5, 32, 32, channels])
    result = Augmentation()(images, SEED)
    assert result.shape == images.shape and result.dtype == tf.float32


@pytest.mark.parametrize("on", [{"translation": 0.1}, {"rotation": 0.1}, {"zoom": 0.2}, {"contrast": (0.5, 2.0)}])
def test_without_noise_images_stay_in_their_range(on):
    result = augmented(pictures(), **on)
    assert result.min() >= -1.0 - 1e-5 and result.max() <= 1.0 + 1e-5
    assert np.abs(result - pictures()).max() > 0.05


def test_same_seed_same_images():
    full = Augmentation()
    np.testing.assert_array_equal(full(pictures(), SEED), full(pictures(), SEED))
    assert not np.array_equal(full(pictures(), SEED), full(pictures(), tf.constant([3, 5])))


def test_every_image_is_changed_in_its_own_way():
    same = np.repeat(pictures(1), 8, axis=0)
    for on in ({"translation": 0.1}, {"rotation": 0.1}, {"zoom": 0.2}, {"black_level": (0.0, 0.3)}, {"noise": 0.1}):
        result = augmented(same, **on)
        assert len({image.tobytes() for image in result}) == 8


def test_translation_goes_in_all_directions_up_to_its_size():
    shifts = centers(augmented(dots(), translation=0.25))
    assert 7.0 < np.abs(shifts).max() <= 0.25 * 32 + 1e-3
    for axis in range(2):
        assert shifts[:, axis].min() < -6.0 and shifts[:, axis].max() > 6.0
        assert abs(shifts[:, axis].mean()) < 1.0
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.3


def test_rotation_turns_around_the_middle():
    off_middle = np.roll(dots(), 8, axis=2)  # a dot 8 to the right
    positions = centers(augmented(off_middle, rotation=1 / 8))
    np.testing.assert_allclose(np.linalg.norm(positions, axis=1), 8.0, atol=0.5)
    angles = np.degrees(np.arctan2(positions[:, 1], positions[:, 0]))
    assert angles.min() < -35 and angles.max() > 35 and np.abs(angles).max() <= 46


def test_zoom_keeps_the_middle_and_changes_sizes():
    white = np.full((100, 32, 32, 1), -1.0, np.float32)
    white[:, 8:24, 8:24] = 1.0
    result = augmented(white, zoom=0.2)
    np.testing.assert_allclose(centers(result), 0.0, atol=1e-3)
    sides = ((result + 1) / 2).sum((1, 3)).max(axis=1)  # height of the square
    assert 16 / 1.21 < sides.min() < 14.5 and 17.5 < sides.max() < 16 / 0.79


def test_width_and_height_are_zoomed_each_by_its_own_draw():
    white = np.full((100, 32, 32, 1), -1.0, np.float32)
    white[:, 8:24, 8:24] = 1.0
    light = (augmented(white, zoom=0.2)[..., 0] + 1) / 2
    widths, heights = light.sum(2).max(axis=1), light.sum(1).max(axis=1)
    for sides in (widths, heights):
        assert 16 / 1.21 < sides.min() < 14.5 and 17.5 < sides.max() < 16 / 0.79
    assert abs(np.corrcoef(widths, heights)[0, 1]) < 0.3


def test_noise_and_mirroring_say_nothing_of_the_other_changes(monkeypatch):
    seeds = []

    def recorded(draw):
        return lambda shape, seed: seeds.append(tuple(seed.numpy())) or draw(shape, seed)

    for name in ("normal", "uniform"):
        monkeypatch.setattr(augmentation, name, recorded(getattr(augmentation, name)))
    Augmentation(horizontal_flip=True)(tf.constant(pictures()), SEED)
    assert len(seeds) == len(set(seeds)) == 3, "changes, mirroring, noise"


def test_what_comes_in_at_the_border_is_black():
    white = np.ones((50, 32, 32, 1), np.float32)
    result = augmented(white, translation=0.25)
    assert result.min() == -1.0


def test_as_much_light_is_lost_at_the_border_as_is_shifted_out():
    white, shifts = augmented(np.ones((50, 32, 32, 1)), translation=0.1), centers(augmented(dots(50), translation=0.1))
    rows = (white[:, 16, :, 0] + 1) / 2  # far from above and below
    np.testing.assert_allclose(32 - rows.sum(axis=1), np.abs(shifts[:, 0]), atol=0.02)


def test_levels_follow_their_intervals():
    grey = np.zeros((300, 4, 4, 1), np.float32)  # 0.5 in [0, 1]
    black = (augmented(grey, black_level=(0.1, 0.3))[:, 0, 0, 0] + 1) / 2 - 0.5
    assert 0.1 - 1e-5 <= black.min() < 0.11 and 0.29 < black.max() <= 0.3 + 1e-5
    contrast = (augmented(grey, contrast=(0.6, 1.2))[:, 0, 0, 0] + 1) / 2 / 0.5
    assert 0.6 - 1e-5 <= contrast.min() < 0.62 and 1.18 < contrast.max() <= 1.2 + 1e-5


def test_about_every_other_image_is_mirrored_and_no_other_draw_changes():
    images = pictures(200)
    result = augmented(images, horizontal_flip=True)
    same, mirrored = (np.isclose(result, which, atol=1e-6).all((1, 2, 3)) for which in (images, images[:, :, ::-1]))
    assert np.all(same ^ mirrored) and 70 < mirrored.sum() < 130
    moved = augmented(images, rotation=0.1)
    kept = augmented(images, rotation=0.1, horizontal_flip=True)[same]
    np.testing.assert_array_equal(kept, moved[same])


def test_noise_has_its_deviation():
    noise = augmented(np.zeros((50, 32, 32, 1)), noise=0.15)
    assert noise.std() == pytest.approx(0.15, rel=0.02) and abs(noise.mean()) < 0.005


@pytest.mark.parametrize(
    "bad",
    [
        {"black_level": (0.3, 0.0)},
        {"contrast": 1.0},
        {"noise": -0.1},
        {"translation": "far"},
        {"horizontal_flip": 1},
    ],
)
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"Augmentation.{next(iter(bad))}: expected"):
        Augmentation(**bad)
