"""Journal of a forgetting: forgetting.json, which stands in a run folder as long as classes are being taken out."""

from dgm_tf.disk import files
from dgm_tf.errors import UserError

_FORMAT = 2  # signed
_ADVICE = "delete it and give the bin/forget command that was stopped again"


def write(folder, names, stays):
    """Begins a forgetting. folder: `RunFolder`; names: of the classes; stays: sentences to be told at its end."""
    files.write_json(folder.forgetting, {files.FORMAT: _FORMAT, "classes": names, "stays": stays})


def read(folder):
    """{"classes": names, "stays": sentences} of a forgetting that was stopped in a run folder; None: there is none.

    Raises:
      Damaged: if the journal is not as it was written.
    """
    if not folder.forgetting.is_file():
        return None
    facts = files.read_json(folder.forgetting, _ADVICE)
    for name in ("classes", "stays"):
        texts = facts.get(name) if isinstance(facts, dict) else None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise files.damaged(folder.forgetting, f"expected texts under {name}", _ADVICE)
    return {name: facts[name] for name in ("classes", "stays")}


def refuse_stopped(folder):
    """Raises UserError where a forgetting was stopped in a run folder: it must be finished first."""
    if read(folder) is not None:
        raise UserError(
            f"run_dir: the forgetting of classes in {folder} was stopped: give the same bin/forget command again to "
            "finish it"
        )
