"""Contact sheet: a page of HTML with small pictures of photos, grouped by label, the least certain first."""

import base64
import collections
import heapq
import html
import io

from PIL import Image

from dgm_tf.text import listed, shown

MOST_PICTURES = 600  # in a sheet: a few megabytes
MOST_UNREADABLE = 100  # files that it names
_QUALITY = 85  # of JPEG
_NAME = 120  # characters of a file's name
# Nothing is loaded and no script runs, whatever a name may hold.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 sans-serif; margin: 2em; }}
figure {{ display: inline-block; width: 132px; margin: 4px; vertical-align: top; }}
figure img {{ width: 128px; height: 128px; }}
figcaption {{ font-size: 11px; overflow-wrap: anywhere; }}
td {{ padding-right: 1em; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<h1>{title}</h1>
"""


class ContactSheet:
    """Collects photos, and keeps no more pictures than the page will show.

    Args:
      class_names: of all classes, in the order of the page.
    """

    def __init__(self, class_names):
        self._names = list(dict.fromkeys(class_names))
        self._each = max(1, MOST_PICTURES // len(self._names))
        self._kept: dict[str, list] = collections.defaultdict(list)
        self._counts: collections.Counter = collections.Counter()
        self._unreadable: list[tuple[str, str]] = []

    def add(self, name, photo):
        """Adds a photo. name: the file's; photo: `Photo`."""
        number = self._counts.total()
        if photo.error:
            self._counts[None] += 1
            if len(self._unreadable) < MOST_UNREADABLE:
                self._unreadable.append((name, photo.error))
            return
        (label, probability), *others = photo.guesses
        self._counts[label] += 1
        kept, key = self._kept[label], (-probability, -number)
        if len(kept) < self._each or key > kept[0][:2]:  # the first is the most certain, the next to go
            entry = (*key, name, _picture(photo.image), others)
            (heapq.heappush if len(kept) < self._each else heapq.heapreplace)(kept, entry)

    def html(self, title):
        """Returns the page. title: such as the folder's name."""
        parts = [_HEAD.format(title=_text(title)), self._summary()]
        left = MOST_PICTURES
        for label in self._names:
            shown_here = sorted(self._kept[label], reverse=True)[:left]
            left -= len(shown_here)
            if shown_here:
                parts += self._section(label, shown_here)
        if self._unreadable:
            parts += self._unreadable_section()
        return "".join([*parts, "</body>\n</html>\n"])

    def _summary(self):
        total, unreadable = self._counts.total(), self._counts[None]
        return f"<p>{total:,} files, {unreadable:,} not read. The pictures are what the classifier saw.</p>\n"

    def _section(self, label, entries):
        count = self._counts[label]
        few = f", the {len(entries)} least certain of them" if len(entries) < count else ""
        yield f"<h2>{_text(label)}</h2>\n<p>{count:,} photos{few}</p>\n"
        for probability, _, name, picture, others in entries:
            others = listed([f"{shown(other, most=_NAME)} {share:.0%}" for other, share in others], 2)
            yield (
                f'<figure><img alt="" src="data:image/jpeg;base64,{picture}">'
                f"<figcaption>{-probability:.1%}{' / ' if others else ''}{_text(others)}<br>{_text(name)}</figcaption>"
                "</figure>\n"
            )

    def _unreadable_section(self):
        count = self._counts[None]
        few = f", the first {len(self._unreadable)} of them" if len(self._unreadable) < count else ""
        yield f"<h2>Not read</h2>\n<p>{count:,} files{few}</p>\n<table>\n"
        for name, why in self._unreadable:
            yield f"<tr><td>{_text(name)}</td><td>{_text(why)}</td></tr>\n"
        yield "</table>\n"


def _text(text):
    return html.escape(shown(text, most=_NAME))


def _picture(image):
    """A small image as base64 of a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, "JPEG", quality=_QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()
