"""State of a saved learner beside its arrays, checked entry by entry before any object is made."""

import dataclasses

from dgm_tf import limits, serialization
from dgm_tf.errors import UserError
from dgm_tf.learner import earlier
from dgm_tf.text import shown
from dgm_tf.training.loop import Position

# Of saved learners. Of format 2 what came later has no entry (`aliases.BEFORE`). Of format 1, too, arrays are numbered
# and classes are named by their modules.
FORMAT = 3
MOST_TASKS = 10_000
MOST_SEED = 10**300


@dataclasses.dataclass(frozen=True)
class LearnerState:
    """A learner without its weights.

    Attributes:
      method: `Method` with its settings.
      networks: dict name -> what `network_to_json` gives.
      seed: int.
      class_names: list of str.
      task_classes: list of tuples of consecutive labels.
      image_shape: (H, W, channels).
      position: `Position`.
      format: 1 to 3.
    """

    method: object
    networks: dict
    seed: int
    class_names: list
    task_classes: list
    image_shape: tuple[int, ...]
    position: Position
    format: int = FORMAT

    def to_json(self):
        """Converts the state to a value for `write_json`."""
        return {
            "format": self.format,
            "method": serialization.to_json(self.method),
            "networks": self.networks,
            "seed": self.seed,
            "class_names": list(self.class_names),
            "task_classes": [list(classes) for classes in self.task_classes],
            "image_shape": list(self.image_shape),
            "position": dataclasses.asdict(self.position),
        }

    @classmethod
    def from_json(cls, value, method=None):
        """Inverse of `to_json`.

        method: to go on with; default: as it was saved.

        Raises:
          UserError: if an entry is missing or not as described, naming it.
        """
        _check(isinstance(value, dict), "a saved learner", "a JSON object", value)
        form = value.get("format")
        _check(type(form) is int and 1 <= form <= FORMAT, "format", f"1 to {FORMAT} (a newer dgm_tf?)", form)
        missing = {f.name for f in dataclasses.fields(cls)} - value.keys()
        _check(not missing, "a saved learner", f"the entry {min(missing, default='')}", None)
        class_names, task_classes = _class_names(value["class_names"]), _task_classes(value["task_classes"])
        known = sum(map(len, task_classes))
        _check(known == len(class_names), "class_names", f"a name for each of {known} classes", len(class_names))
        position = _position(value["position"], len(task_classes))
        if form < FORMAT:
            value = value | {name: earlier.completed(value[name]) for name in ("method", "networks")}
        _check(isinstance(value["networks"], dict), "networks", "a JSON object", value["networks"])
        for name in value["networks"]:
            _check(name.isidentifier() and name.isascii(), "networks", "names of networks", name)
        seed = value["seed"]
        _check(type(seed) is int and abs(seed) < MOST_SEED, "seed", "an integer of at most 300 digits", seed)
        method = _method(value["method"]) if method is None else _completed(method, value["method"])
        return cls(
            method, value["networks"], seed,
            class_names, task_classes, _image_shape(value["image_shape"]), position, form,
        )  # fmt: skip


def _check(fits, entry, expected, got):
    if not fits:
        raise UserError(f"{entry}: expected {expected}, got {shown(repr(got), most=80)}")


def _integer(entry, value, low, high):
    _check(type(value) is int and low <= value < high, entry, f"an integer in [{low}, {high})", value)
    return value


def _method(value):
    from dgm_tf.methods.method import Method

    return serialization.from_json(value, Method, "method")


def _completed(method, saved):
    """The method, with some settings as the saved learner has them.

    These are what follows from the tasks' sizes where it is None, and what learners of before had no choice of: a run's
    configuration that does not say it means what its first start meant.
    """
    settings = saved.get("settings") if isinstance(saved, dict) else None
    if not isinstance(settings, dict):
        return method
    for field in dataclasses.fields(method):
        part = getattr(method, field.name)
        names = [name for name in getattr(part, "of_task_size", ()) if getattr(part, name) is None]
        names += earlier.settings_before(type(part))
        if names and isinstance(settings.get(field.name), dict):
            had = serialization.from_json(settings[field.name], type(part), f"method.{field.name}")
            kept = dataclasses.replace(part, **{name: getattr(had, name) for name in names})
            setattr(method, field.name, kept)
    own = earlier.settings_before(type(method))
    had = _method(saved) if own else method
    for name in own:
        setattr(method, name, getattr(had, name, getattr(method, name)))
    return method


def _class_names(names):
    fits = isinstance(names, list) and len(names) <= limits.MAX_CLASSES
    _check(fits, "class_names", f"a list of at most {limits.MAX_CLASSES} names", names)
    for name in names:
        _check(isinstance(name, str) and len(name) <= limits.MAX_NAME_CHARACTERS, "class_names", "text", name)
    return list(names)


def _task_classes(tasks):
    fits = isinstance(tasks, list) and 0 < len(tasks) <= MOST_TASKS
    _check(fits and all(isinstance(task, list) and task for task in tasks), "task_classes", "lists of labels", tasks)
    labels = [label for task in tasks for label in task]
    _check(all(type(label) is int for label in labels), "task_classes", "labels", tasks)
    _check(labels == list(range(len(labels))), "task_classes", "labels 0, 1, 2 ... in their order", tasks)
    return [tuple(task) for task in tasks]


def _image_shape(shape):
    fits = isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and 0 < n <= 4096 for n in shape)
    _check(fits, "image_shape", "height, width and channels", shape)
    return tuple(shape)


def _position(value, num_tasks):
    names = {f.name for f in dataclasses.fields(Position)}
    _check(isinstance(value, dict) and value.keys() == names, "position", f"{', '.join(sorted(names))}", value)
    position = Position(**{name: _integer(f"position.{name}", value[name], 0, 2**62) for name in names})
    _check(num_tasks - 1 <= position.task <= num_tasks, "position.task", f"{num_tasks} or one less", position.task)
    return position
