"""A folder of letters, drawn by the test, and files among them that no folder of photographs is without."""

import io
import os

import numpy as np
from PIL import Image, ImageDraw


def letter(character, seed, size=(40, 48), mode="L"):
    """A letter somewhere near the middle, dark on light."""
    rng = np.random.default_rng([seed, ord(character)])
    image = Image.new("L", size, int(rng.integers(200, 256)))
    place = tuple(int(v) for v in rng.integers(2, 10, 2))
    ImageDraw.Draw(image).text(place, character, fill=int(rng.integers(0, 60)), font_size=30)
    return image.convert(mode)


def write_letters(folder, characters, count=10, mode="L"):
    """folder/<letter>/00.png ..., `count` of each."""
    for character in characters:
        (folder / character).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            letter(character, index, mode=mode).save(folder / character / f"{index:02d}.png")
    return folder


def write_oddities(folder):
    """Odd files that are images, by name; the others that come with them are in `NO_IMAGES`."""
    folder.mkdir(parents=True, exist_ok=True)
    half = np.tile(np.repeat(np.array([0, 255], np.uint8), 24), (48, 1))  # left black, right white
    grey, rgb = Image.fromarray(half), Image.fromarray(half).convert("RGB")
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    rgb.save(folder / "UPPER.JPG")
    Image.fromarray(half.astype(np.uint16) * 200 + 5000).save(folder / "sixteen_bits.png")
    grey.save(folder / "animated.gif", save_all=True, append_images=[Image.new("L", (48, 48), 128)])
    transparent = rgb.convert("P")
    transparent.save(folder / "palette.png", transparency=transparent.getpixel((47, 0)))
    exif = Image.Exif()
    exif[0x0112] = 8  # turned by 90 degrees counter-clockwise to be looked at
    rgb.rotate(-90).save(folder / "turned.jpg", exif=exif)
    rgb.save(folder / "png_by_content.jpeg", format="PNG")
    grey.convert("1").save(folder / "bilevel.bmp")
    os.symlink("UPPER.JPG", folder / "link.jpg")
    (folder / "deeper").mkdir()
    rgb.resize((480, 480), Image.Resampling.NEAREST).save(folder / "deeper" / "large.webp", lossless=True)
    _write_what_is_no_image(folder, rgb)
    return 10


NO_IMAGES = {
    "notes.txt": "not an image",
    "truncated.jpg": "truncated",
    "empty.png": "not an image",
    "broken_link.jpg": "a link to nothing",
    ".DS_Store": "hidden",
    "levels.tiff": "floating-point",
}


def _write_what_is_no_image(folder, rgb):
    (folder / "notes.txt").write_text("where the pictures come from")
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 80).save(buffer, "JPEG")
    (folder / "truncated.jpg").write_bytes(buffer.getvalue()[:4000])
    (folder / "empty.png").touch()
    os.symlink("nothing.jpg", folder / "broken_link.jpg")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(folder / "levels.tiff")
