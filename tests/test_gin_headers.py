"""Every gin file that people run begins with what it is and the command that runs it."""

import pytest

from dgm_tf import config

RUNS = sorted(config.gin_directory().glob("*.gin"))
SUITES = sorted((config.gin_directory() / "compare").glob("*.gin"))


@pytest.mark.parametrize("path", [*RUNS, *SUITES], ids=lambda path: path.stem)
def test_its_header_tells_what_it_is_and_the_command(path):
    header = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        header.append(line)
    assert len(header) >= 3 and header[0].endswith("."), "a sentence on what it is comes first"
    command = "bin/train --gin_file=gin/" if path in RUNS else "bin/compare --suite=gin/compare/"
    assert command + path.name in "\n".join(header)
