"""Functions called in processes that have done nothing yet, for half a second each instead of a start of Python.

They are forked from one process that has imported everything and computed nothing: no compiled function, no cache and
no variable is there before the call.
"""

import multiprocessing
import signal
import traceback

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["dgm_tf.run.experiment", "dgm_tf.cli.learn", "dgm_tf.export", "tests.methods.tiny"])


def call(function, *arguments):
    """What the function, one of a module, returns; an error there is one here."""
    kind, value = _called(function, arguments)
    assert kind == "returned", value
    return value


def call_until_killed(function, *arguments):
    """Calls a function that is to end in a SIGKILL."""
    outcome = _called(function, arguments)
    assert outcome == ("ended", -signal.SIGKILL), outcome


def _called(function, arguments):
    """("returned", value), ("raised", stack trace) or ("ended", exit status)."""
    receiver, sender = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_call_and_send, args=(sender, function, arguments))
    process.start()
    sender.close()
    with receiver:
        try:
            outcome = receiver.recv()
        except EOFError:
            outcome = None
        process.join()
    return outcome or ("ended", process.exitcode)


def _call_and_send(sender, function, arguments):
    try:
        outcome = "returned", function(*arguments)
    except Exception:
        outcome = "raised", traceback.format_exc()
    sender.send(outcome)
