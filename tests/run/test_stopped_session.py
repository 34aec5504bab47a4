"""How a command ends that was stopped, or whose run folder is gone: status, message, and what is left on disk."""

import shutil
import signal

import pytest

from dgm_tf import stopping
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder


@pytest.mark.parametrize("signum", [*stopping.SIGNALS, signal.SIGPIPE])
def test_the_status_is_the_signals_and_the_message_says_that_all_is_saved(tmp_path, capsys, signum):
    def work():
        raise stopping.Interrupted(signum)

    assert sessions.run_session(RunFolder(tmp_path / "run"), "none", work) == 128 + signum
    printed = capsys.readouterr()
    text = f"stopped by {signal.Signals(signum).name}; saved. Run the same command again to resume."
    assert text in (printed.err if signum == signal.SIGPIPE else printed.out)  # who reads no output reads that neither
    assert files.read_json(tmp_path / "run" / "run.json")["sessions"][-1]["ended"]


@pytest.mark.parametrize("writes", [True, False])
def test_a_run_folder_that_was_deleted_is_told_and_not_made_again(tmp_path, writes):
    def work():
        shutil.rmtree(tmp_path / "run")
        if writes:
            files.write_atomically(tmp_path / "run" / "memory" / "weights.npz", b"")

    with pytest.raises(UserError, match="run: expected the run folder to stay .*, found it deleted or moved"):
        sessions.run_session(RunFolder(tmp_path / "run"), "none", work)
    assert not list(tmp_path.iterdir())
