"""Forgetting of classes on request: which labels they have, and which the others get."""

from dgm_tf.data.class_names import position
from dgm_tf.errors import UserError
from dgm_tf.learner.rollback import Moment
from dgm_tf.methods.context import Rest, RestContext
from dgm_tf.text import listed, shown
from dgm_tf.training.divergence import check_finite
from dgm_tf.training.loop import Position, notify, run_phase

_NAMED = 30  # classes that a message lists


def forget(learner, class_names, callbacks=()):
    """Takes classes out of a learner; see `Learner.forget`."""
    if not learner.num_tasks or len(learner.task_classes) > learner.num_tasks:
        raise UserError(f"forget: expected a learner at the end of a task, got one with {learner.num_tasks} learned")
    labels = labels_of(class_names, learner.class_names)
    stays = learner.method.remains(labels, learner.task_classes)
    before = Moment(learner)
    try:
        _forget(learner, labels, callbacks)
    except BaseException:
        before.restore(learner)
        raise
    return stays


def _forget(learner, labels, callbacks):
    tasks = [tuple(task) for task in remaining_tasks(learner.task_classes, labels)]
    names = [name for label, name in enumerate(learner.class_names) if label not in labels]
    rest = Rest(len(tasks), tuple(range(len(names))), tuple(names))
    context = RestContext(rest, tuple(tasks), learner.image_shape, learner.seed)
    phases = learner.method.forget(labels, context)
    learner.class_names, learner.task_classes = names, tasks
    learner.position = done = Position(len(tasks), 0, 0, learner.position.global_step)
    for make in phases:
        learner.position = done
        run_phase(learner, context, make(), callbacks)
    notify(learner, callbacks, "on_phases_end", context)
    learner.method.calibrate(context)
    learner.position = done
    check_finite(learner, learner.arrays(), lambda: "forget")


def labels_of(names, class_names):
    """Sorted labels of classes to forget.

    Args:
      names: list of names in any Unicode normal form.
      class_names: all, in learning order.

    Raises:
      UserError: if one is not known, there is none, or they are all.
    """
    known = f"Learned: {shown(listed(class_names, _NAMED))}"
    if isinstance(names, str) or not names:
        raise UserError(f"classes: expected a list of names of classes to forget, got {shown(repr(names))}. {known}")
    labels = set()
    for name in names:
        label = position(name, class_names) if isinstance(name, str) else None
        if label is None:
            raise UserError(f"classes: expected names of learned classes, got {shown(repr(name))}. {known}")
        labels.add(label)
    if len(labels) == len(class_names):
        raise UserError("classes: expected some of the learned classes, got all of them; delete the run folder instead")
    return sorted(labels)


def remaining_tasks(tasks, labels):
    """The tasks, lists of new labels, without those of these labels; tasks that are left without any are gone.

    tasks: per task its labels, which follow each other; labels: to be taken out.
    """
    gone, new, start = set(labels), [], 0
    for task in tasks:
        count = sum(label not in gone for label in task)
        if count:
            new.append(list(range(start, start + count)))
            start += count
    return new
