"""A saved learner is data: what is damaged or hostile is refused in one line, and nothing of it is ever called."""

import concurrent.futures
import copy
import hashlib
import json
import os
import pathlib
import random
import shutil

import numpy as np
import pytest

import dgm_tf
from dgm_tf.disk import files
from dgm_tf.errors import Damaged, UserError
from dgm_tf.learner import saving
from dgm_tf.learner.state import FORMAT
from tests.methods import tiny

FORMAT_1 = pathlib.Path(__file__).resolve().parents[1] / "earlier" / "memory_format_1"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """(learner, its folder)."""
    learner = dgm_tf.Learner(tiny.dgm())
    learner.learn(tiny.task(0, (0, 1)))
    folder = tmp_path_factory.mktemp("saved")
    learner.save(folder)
    return learner, folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(saved[1], tmp_path / "memory")


def rewrite(folder, change=lambda description: None, name=None, arrays=lambda arrays: None):
    """Changes learner.json, or the arrays of a file, and makes all checksums right again, as a stranger would."""
    if name is not None:
        with np.load(folder / name) as file:
            content = dict(file)
        arrays(content)
        files.write_atomically(folder / name, files.npz_bytes(content, compress=name != "weights.npz"))
    description = json.loads((folder / "learner.json").read_text())
    del description["sha256"]
    for file in description["files"]:
        description["files"][file]["sha256"] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    change(description)
    files.write_json(folder / "learner.json", description)


def assert_refused(folder, match, error=UserError):
    with pytest.raises(error, match=match) as caught:
        dgm_tf.load(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)


@pytest.mark.parametrize("plasticity", ["weights", "units"])
def test_a_memory_of_format_1_loads_with_its_bits_and_its_images(plasticity):
    folder = FORMAT_1 / plasticity
    learner = dgm_tf.load(folder)
    expected = np.load(folder / "expected.npz")
    stored = {key: array for name in saving.FILES for key, array in np.load(folder / name).items()}
    weights = {name: network.weights for name, network in learner.method.networks.by_name().items()}
    for key, array in stored.items():
        name, _, index = key.partition("/")
        if name in weights:
            np.testing.assert_array_equal(np.asarray(weights[name][int(index)]), array, strict=True)
    np.testing.assert_allclose(learner.method.replay(expected["labels"], 5), expected["replay"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(learner.logits(expected["images"]), expected["logits"], rtol=0, atol=1e-5)
    if plasticity == "weights":
        exemplars = learner.method.arrays()["exemplars/0002"]
        np.testing.assert_array_equal(exemplars, stored["method/exemplars/0002"])


def test_a_memory_of_format_1_is_saved_as_one_of_today(tmp_path):
    old = dgm_tf.load(FORMAT_1 / "weights")
    old.save(tmp_path)
    new = dgm_tf.load(tmp_path)
    assert json.loads((tmp_path / "learner.json").read_text())["format"] == FORMAT
    assert_same_arrays(old, new)


def assert_same_arrays(one, other):
    assert one.arrays().keys() == other.arrays().keys()
    for key, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[key], strict=True)


def test_format_1_of_different_tasks_is_refused(tmp_path):
    folder = shutil.copytree(FORMAT_1 / "weights", tmp_path / "memory")
    with np.load(folder / "masks.npz") as file:
        np.savez(folder / "masks.npz", **dict(file) | {"tasks": np.frombuffer(b"1", np.uint8)})
    assert_refused(folder, "its files are of different tasks")


def test_arrays_have_readable_names_where_the_networks_are_dgm_tfs(tmp_path):
    dgm_tf.load(FORMAT_1 / "weights").save(tmp_path)
    assert "generator/masked_1/kernel" in np.load(tmp_path / "weights.npz")
    assert "generator/masked_1/task_0_bits" in np.load(tmp_path / "masks.npz")
    assert "discriminator/logits/bias" in np.load(tmp_path / "weights.npz")


def test_names_of_classes_are_registered_ones(saved):
    description = json.loads((saved[1] / "learner.json").read_text())
    assert description["method"]["new"] == "DGM"
    assert description["networks"]["generator"]["class"] == "tests.methods.tiny/WeightsGenerator"


@pytest.mark.parametrize("moment", [("_committed", n) for n in range(3)] + [("_read_arrays", n) for n in range(3)])
def test_what_is_read_while_another_process_saves_is_what_it_saved(saved, tmp_path, monkeypatch, moment):
    _, folder = saved
    later, place = dgm_tf.load(folder), shutil.copytree(folder, tmp_path / "place")
    weight = later.method.networks.generator.weights[0]
    weight.assign(weight + 1.0)
    name, calls = moment[0], iter(range(moment[1]))
    function = getattr(saving, name)

    def save_first(*args):
        if next(calls, None) is None:
            monkeypatch.undo()
            later.save(place)
        return function(*args)

    monkeypatch.setattr(saving, name, save_first)
    assert_same_arrays(dgm_tf.load(place), later)


def test_what_is_read_while_a_save_ends_is_whole(saved, tmp_path, monkeypatch):
    learner, folder = saved
    place = shutil.copytree(folder, tmp_path / "place")
    for file in saving.FILES:
        (place / file).rename(saving._next(place, file))

    def end_first(*args, function=saving._read_arrays):
        for file in saving.FILES:
            saving._next(place, file).rename(place / file)
        monkeypatch.undo()
        return function(*args)

    monkeypatch.setattr(saving, "_read_arrays", end_first)
    assert_same_arrays(dgm_tf.load(place), learner)


def test_a_save_that_is_killed_at_any_moment_leaves_a_whole_learner(saved, tmp_path, monkeypatch):
    learner, folder = saved
    later = dgm_tf.load(folder)
    later.learn(tiny.task(1, (2,)))
    states = set()
    for survived in range(20):
        place = shutil.copytree(folder, tmp_path / str(survived))
        calls = iter(range(survived))

        def replace(*paths, calls=calls, replace=os.replace):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            replace(*paths)

        monkeypatch.setattr(os, "replace", replace)
        try:
            later.save(place)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            monkeypatch.undo()
        found = dgm_tf.load(place)
        states.add(found.num_tasks)
        assert_same_arrays(found, {1: learner, 2: later}[found.num_tasks])
    assert states == {1, 2} and survived == 7
    assert sorted(path.name for path in place.iterdir()) == sorted([*saving.FILES, "learner.json"])


@pytest.mark.parametrize("name", [*saving.FILES, "learner.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_is_named(folder, name, damage):
    data = (folder / name).read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]
    (folder / name).write_bytes({"flip": flipped, "cut": data[:middle], "empty": b""}[damage])
    assert_refused(folder, f"{name} is damaged: .*; resume the run", Damaged)


def kernel(arrays):
    return next(key for key in arrays if key.endswith("kernel"))


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("weights.npz", lambda a: a[kernel(a)].fill(np.nan), "not finite"),
        ("weights.npz", lambda a: a.update({kernel(a): a[kernel(a)].astype(int)}), "as float32 .*got int64"),
        ("weights.npz", lambda a: a.update({kernel(a): a[kernel(a)][..., :1]}), "as float32 .*got float32"),
        ("weights.npz", lambda a: a.update(more=np.zeros(3)), "unknown array 'more'"),
        ("weights.npz", lambda a: a.pop(kernel(a)), "the array .*kernel is missing"),
        ("masks.npz", lambda a: a.pop(next(iter(a))), "the array .*bits is missing"),
        ("stored.npz", lambda a: a.update(junk=np.zeros(5)), "unknown array 'junk'"),
    ],
)
def test_arrays_are_what_the_networks_expect_whatever_the_checksums_say(folder, name, change, match):
    rewrite(folder, name=name, arrays=change)
    assert_refused(folder, match)


def new(name, **settings):
    return {"new": name, "settings": settings}


def gan_setting(value):
    return lambda description: description["method"]["settings"].update(gan=value)


RAN = "ran_by_a_memory"
HOSTILE = {
    "Popen as the method": lambda d: d.update(method=new("subprocess:Popen", args=["touch", RAN])),
    "system as the method": lambda d: d.update(method=new("os:system", command=f"touch {RAN}")),
    "system as a setting": gan_setting(new("os:system", command=f"touch {RAN}")),
    "our own writer": gan_setting(new("dgm_tf.serialization:write_atomically", path=RAN, data="x")),
    "our own writer, registered": gan_setting(new("write_atomically", path=RAN, data="x")),
    "a folder removed": gan_setting(new("shutil:rmtree", path=".")),
    "a class of Python": gan_setting({"type": "builtins/eval"}),
    "a dotted name": gan_setting(new("GANSettings.__init__.__globals__")),
    "a method as a setting": gan_setting(new("DGM")),
    "settings as a network": lambda d: d["networks"]["generator"].update({"class": "GANSettings"}),
    "a setting that is none": lambda d: d["method"]["settings"].update(command="x"),
    "text for a number": lambda d: d["method"]["settings"].update(sparsity_weight="0.1"),
    "truth for a number": lambda d: d["method"]["settings"]["gan"]["settings"].update(epochs=True),
    "a class for a number": lambda d: d["method"]["settings"].update(sparsity_weight={"type": "DCGANGenerator"}),
    "a number for a class": lambda d: d["method"]["settings"].update(generator=3),
    "Keras's way to a class": lambda d: d["networks"]["generator"]["config"].update(
        kernel_initializer={"module": "os", "class_name": "system", "config": {"command": f"touch {RAN}"}}
    ),
    "a lambda of Keras": lambda d: d["networks"].update(
        generator={"class": "keras.layers/Lambda", "config": {"function": f"__import__('os').system('touch {RAN}')"}}
    ),
    "a parameter that is none": lambda d: d["networks"]["generator"]["config"].update(trainable=False),
    "huge widths": lambda d: d["networks"]["generator"]["config"].update(widths=[10**9, 10**9, 10**9]),
    "a million tasks": lambda d: d["networks"]["generator"]["config"].update(task_widths=[[1, 1, 1]] * 10**5),
    "no networks": lambda d: d.update(networks={}),
    "networks by a path": lambda d: d["networks"].update({"../x": d["networks"]["generator"]}),
    "another image shape": lambda d: d.update(image_shape=[64, 64, 3]),
    "a class name less": lambda d: d["class_names"].pop(),
    "a class name that is none": lambda d: d.update(class_names=["a", 1]),
    "labels out of order": lambda d: d.update(task_classes=[[1, 0]]),
    "a position in a task": lambda d: d["position"].update(task=0),
    "a negative position": lambda d: d["position"].update(step=-1),
    "no position": lambda d: d.pop("position"),
    "a newer format": lambda d: d.update(format=FORMAT + 1),
    "no format of ours": lambda d: d.update(format="2"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_a_memory_names_is_called(folder, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rewrite(folder, HOSTILE[name])
    assert_refused(folder, "learner.json: ")
    assert not (tmp_path / RAN).exists() and folder.is_dir()


def test_a_class_of_ones_own_must_have_been_imported(folder):
    rewrite(folder, lambda d: d["method"]["settings"].update(generator={"type": "my_module/MyGenerator"}))
    assert_refused(folder, "import my_module first \\(--import=my_module\\)")


def positions(value, path=()):
    """Paths to all entries of a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from positions(entry, (*path, key))


OTHERS = [None, True, -1, 0, 7, 2.5, 10**30, "", "DGM", "os:system", [], [1, 2], {}, {"type": "DCGANGenerator"}, [[]]]


def test_any_entry_may_be_anything_and_all_that_happens_is_one_line(folder):
    """Seeded: 150 descriptions with one or two entries replaced or removed, all checksums right."""
    good = json.loads((folder / "learner.json").read_text())
    del good["sha256"]
    places = [path for path in positions(good) if path[0] != "files"]
    chosen, loaded = random.Random(5), 0
    for _ in range(150):
        description = copy.deepcopy(good)
        for path in chosen.sample(places, chosen.choice([1, 1, 2])):
            parent = description
            try:
                for key in path[:-1]:
                    parent = parent[key]
                if chosen.random() < 0.2:
                    del parent[path[-1]]
                else:
                    parent[path[-1]] = chosen.choice(OTHERS)
            except (LookupError, TypeError):
                continue  # the other change has taken it away
        files.write_json(folder / "learner.json", description)
        try:
            learner = dgm_tf.load(folder)
        except UserError as error:
            assert "\n" not in str(error), description
        else:
            loaded += 1
            learner.replay([0, 1])
    assert loaded < 60


def test_an_unregistered_method_is_refused_at_save_with_what_to_do(tmp_path, monkeypatch):
    class Mine(type(tiny.dgm())):
        pass

    learner = dgm_tf.Learner(Mine(tiny.WeightsGenerator, tiny.Discriminator, gan=tiny.GAN, mask_scale_per_epoch=25.0))
    learner.learn(tiny.task(0))
    with pytest.raises(UserError, match="put @dgm_tf.register above it"):
        learner.save(tmp_path)
    monkeypatch.setattr(Mine, "__module__", "__main__")
    with pytest.raises(UserError, match="defined in __main__ .*move it into a module of its own"):
        learner.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_saves_at_the_same_time_leave_one_of_them_whole(saved, tmp_path):
    learner, _ = saved
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(learner.save, tmp_path) for _ in range(8)]:
            future.result()
    assert_same_arrays(dgm_tf.load(tmp_path), learner)
