"""Conversion of a learner's classifier for runtimes other than TensorFlow: LiteRT and ONNX.

Both get the classifier's graph with its weights as constants: uint8 images in, labels and probabilities out.
`keras.Model.export` has the same converters behind it, but exports what a network itself takes and gives.
"""

import contextlib
import importlib.util
import io
import json
import logging
import zipfile

from dgm_tf.errors import UserError
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown

OPSET = 18  # of ONNX: what runtimes of 2023 and later know
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content makes equal files


def check_installed(formats):
    """Raises UserError, naming the extra, unless what converts for the formats is installed."""
    if "onnx" in formats and not all(map(importlib.util.find_spec, ("tf2onnx", "onnx"))):
        raise UserError(
            "format: expected the packages that convert to ONNX, found no tf2onnx or onnx; install them by "
            "pip install 'dgm_tf[serving]'"
        )


def litert_bytes(learner):
    """The classifier for LiteRT; a zip archive with classes.json follows the model, as LiteRT's metadata does."""
    import tensorflow as tf

    concrete = _graph(learner, "litert")
    module = tf.Module()
    module.weights = [v.value for v in learner.method.classifier.weights]

    def convert():
        return tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert()

    buffer = io.BytesIO(_converted("litert", convert))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo("classes.json", _EPOCH), json.dumps(learner.class_names))
    return buffer.getvalue()


def onnx_bytes(learner):
    """The classifier for ONNX; its metadata have the entry "classes", a list in JSON."""
    _graph(learner, "onnx")

    def convert():
        import tf2onnx

        from dgm_tf.export.modules import plain_classifier

        function = plain_classifier(learner)
        return tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)[0]

    model = _converted("onnx", convert)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    model.producer_name, model.graph.name = "dgm_tf", "classifier"
    model.metadata_props.add(key="classes", value=json.dumps(learner.class_names))
    return model.SerializeToString(deterministic=True)


def _graph(learner, name):
    """The classifier's graph; raises UserError for one in bfloat16, which runtimes do not compute in."""
    import tensorflow as tf

    from dgm_tf.export.modules import plain_classifier

    concrete = plain_classifier(learner).get_concrete_function()
    if any(tensor.dtype == tf.bfloat16 for op in concrete.graph.get_operations() for tensor in op.outputs):
        raise UserError(
            f"format: expected a classifier in float32 to convert to {name}, got one that computes in bfloat16; save "
            "the learner, and export it by bin/export, which loads it in float32"
        )
    return concrete


def _converted(name, convert):
    """What a converter gives. Its messages are hidden; what it raises, whatever it is, becomes a `UserError`."""
    try:
        with _silent_loggers(), quiet_start():
            return convert()
    except (MemoryError, OSError):
        raise
    except Exception as error:  # converters raise errors of all kinds for operations that they do not know
        why = shown(next(iter(str(error).splitlines()), type(error).__name__), most=300)
        raise UserError(
            f"format: expected a classifier that can be converted to {name}, got one that cannot ({why}); "
            "--format=saved_model takes each"
        ) from error


@contextlib.contextmanager
def _silent_loggers():
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
