"""TensorBoard finds every run with its hyper-parameters and metrics."""

import pytest
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.util import tensor_util

from dgm_tf.compare import numbers
from dgm_tf.compare.hparams import write_hparams
from dgm_tf.compare.suite import Suite
from tests.compare import fake


@pytest.fixture
def directory(tmp_path):
    rows = [fake.row("dgmw"), fake.row("ft")]
    done = [
        fake.finished(tmp_path, rows[0], 0, fake.results([1.0, 0.8], gan_test=[0.5, 0.7])),
        fake.finished(tmp_path, rows[0], 1, fake.results([1.0, 0.9], gan_test=[0.5, 0.6])),
        fake.finished(tmp_path, rows[1], 0, fake.results([1.0], finished=False)),
    ]
    found = numbers.compare(Suite(rows, at=(1, 2)), done)
    write_hparams(found, tmp_path / "hparams")
    (tmp_path / "hparams" / "notes.txt").write_text("mine")
    write_hparams(found, tmp_path / "hparams")  # again: no entry stands there twice
    return tmp_path / "hparams"


def _load(folder):
    accumulator = event_accumulator.EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def _plugin_data(accumulator):
    content = accumulator.SummaryMetadata
    found = {}
    for tag in accumulator.PluginTagToContent(metadata.PLUGIN_NAME):
        found[tag] = plugin_data_pb2.HParamsPluginData.FromString(content(tag).plugin_data.content)
    return found


def test_each_run_is_an_entry_with_its_method_and_seed(directory):
    found = {}
    for folder in directory.iterdir():
        if folder.is_dir():
            data = _plugin_data(_load(folder))[metadata.SESSION_START_INFO_TAG].session_start_info
            found[folder.name] = data.hparams["method"].string_value, data.hparams["seed"].number_value
    assert found == {"dgmw-seed0": ("dgmw", 0.0), "dgmw-seed1": ("dgmw", 1.0), "ft-seed0": ("ft", 0.0)}


def test_metrics_are_those_that_a_run_has(directory):
    accumulator = _load(directory / "dgmw-seed1")
    tags = [tag for tag in accumulator.Tags()["tensors"] if not tag.startswith("_")]
    values = {tag: float(tensor_util.make_ndarray(accumulator.Tensors(tag)[-1].tensor_proto)) for tag in tags}
    expected = {"A1": 100, "A2": 90, "gan_test": 60, "memory_bytes": 2024, "parameters": 301, "seconds": 20}
    assert values == pytest.approx(expected)
    assert len(list((directory / "dgmw-seed1").iterdir())) == 1
    assert "A2" not in _load(directory / "ft-seed0").Tags()["tensors"]


def test_the_experiment_names_them(directory):
    experiment = _plugin_data(_load(directory))[metadata.EXPERIMENT_TAG].experiment
    assert [info.name for info in experiment.hparam_infos] == ["method", "seed"]
    names = [info.name.tag for info in experiment.metric_infos]
    assert names == ["A1", "A2", "gan_test", "memory_bytes", "parameters", "seconds"]


def test_tensorboards_own_view_lists_the_runs(directory):
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(directory))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(directory))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING]
    request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=10, allowed_statuses=statuses)
    handler = list_session_groups.Handler(RequestContext(), context, "", request)
    groups = handler.run().session_groups
    assert sorted(group.hparams["method"].string_value for group in groups) == ["dgmw", "dgmw", "ft"]
