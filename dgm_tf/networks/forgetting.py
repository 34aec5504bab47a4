"""Forgetting in a generator with masks: what a class alone has is gone, all others are generated as before."""

import numpy as np

from dgm_tf.training.randomness import seeded_initializers


def without(generator, task_classes, labels, seed):
    """A `PlasticGenerator` between two tasks without some classes; it is left as it is.

    Of a task whose classes are all gone nothing stays: bits, batch norm, output layer, codes. Of a class that shared
    its task, output layer and code are gone. All weights that no learned task uses are drawn anew: the forgotten ones'
    own, and free ones, which training moves before the masks are binary.

    Args:
      generator: with no present task begun.
      task_classes: per learned task its labels.
      labels: of the classes, not all.
      seed: int, of the weights that are drawn.
    """
    return _Forgetting(generator, task_classes, set(labels)).generator(seed)


def shared(generator, task_classes, labels):
    """Share in [0, 1] of the weights trained for tasks that `without` takes out which other, later tasks use as well.

    Arguments: as for `without`.
    """
    gone = {task for task, classes in enumerate(task_classes) if set(classes) <= set(labels)}
    trained = stays = 0
    for layer in generator.masked_layers:
        used = [_used(generator, layer, task) for task in range(len(task_classes))]
        for task in gone:
            own = used[task] & ~np.any(used[:task], axis=0) if task else used[task]
            later = [weights for other, weights in enumerate(used) if other > task and other not in gone]
            trained += int(own.sum())
            stays += int((own & np.any(later, axis=0)).sum()) if later else 0
    return stays / trained if trained else 0.0


def _used(generator, layer, task, not_read=()):
    """Weights of a layer that a learned task uses, bool in the kernel's shape.

    not_read: entries of z that the task ignores.
    """
    used = np.zeros(layer.kernel.shape, bool)
    source, _ = generator.wiring(task).get(layer.name, (None, None))
    if source is not None:
        units = np.array(generator.task_junction_masks(task)[source])
        if source == 0:
            units[list(not_read)] = 0.0
        weights = layer.task_weights(task, units)
        used[tuple(map(slice, weights.shape))] = weights
    return used


class _Forgetting:
    def __init__(self, generator, task_classes, gone):
        self._old, self._gone = generator, gone
        self._classes = [list(classes) for classes in task_classes]
        self._tasks = [task for task, classes in enumerate(self._classes) if not set(classes) <= gone]

    def generator(self, seed):
        numbers = [self._old.number_of(task) for task in range(len(self._classes)) if task not in self._tasks]
        with seeded_initializers(seed, "forget", *numbers, *sorted(self._gone)):
            new = type(self._old).from_config(self._old.get_config() | self._config())
        for layer, old in zip(new.masked_layers, self._old.masked_layers, strict=True):
            self._take(layer.task_bits, lambda task, old=old: old.task_bits[task])
        for norm, old in zip(new.norms, self._old.norms, strict=True):
            self._take(norm.task_parameters, old.task_values)
        self._take_outputs(new.output_layer)
        if new.conditioning == "embedding":
            self._take(new.codes.task_tables, self._codes)
        self._take_kernels(new)
        new.restore_reserved()
        return new

    def _take(self, variables, value_of):
        """Gives the variables, one a task that stays, their values; value_of: function of a task's old index."""
        for variable, task in zip(variables, self._tasks, strict=False):  # the present task's bits stay 0
            variable.assign(value_of(task))

    def _config(self):
        old, whole = self._old, len(self._tasks) < len(self._classes)
        config = {
            "task_widths": [old.task_widths[task] for task in self._tasks],
            "classes": [*(old.classes[task] for task in self._tasks), old.classes[-1]],
            "learned_as": self._learned_as(),
        }
        if whole:
            shapes = [[layer.name, *layer.initial_shape] for layer in old.masked_layers]
            config |= {"forgotten": self._forgotten(), "first_shapes": shapes}
        return config

    def _forgotten(self):
        """Networks of forgotten tasks in their order, each with the new index of the task that came next."""
        found = []
        for task in range(self._old.num_tasks):
            place = sum(kept < task for kept in self._tasks)
            found += [[place, widths] for later, widths in self._old.forgotten if later == task]
            if task < len(self._classes) and task not in self._tasks:
                found.append([place, self._old.task_widths[task]])
        return found

    def _learned_as(self):
        """What labels and number of classes were when each task was learned, where they are others now."""
        found, count = [], 0
        for place, task in enumerate(self._tasks):
            kept = [i for i, label in enumerate(self._classes[task]) if label not in self._gone]
            labels = list(range(count, count + len(kept)))
            count += len(kept)
            seen, learned = self._as_learned(task)
            learned = [learned[i] for i in kept]
            if (seen, learned) != (count, labels):
                found.append([place, seen, learned])
        return found

    def _as_learned(self, task):
        """(number of classes then, labels then) of the task's present classes."""
        seen = sum(len(classes) for classes in self._classes[: task + 1])
        return self._old.learned_as.get(task, (seen, self._classes[task]))

    def _gone_of(self, task):
        """Labels, as they were learned, of the forgotten classes of a task that stays."""
        labels = self._as_learned(task)[1]
        return [label for label, now in zip(labels, self._classes[task], strict=True) if now in self._gone]

    def _not_read(self, task):
        """Entries of z that are 0 for each class that is left of a task: one-hot codes of others, gone ones too."""
        if self._old.conditioning != "one_hot":
            return []
        seen, labels = self._as_learned(task)
        gone = self._gone_of(task)
        return [code for code in range(seen) if code not in labels or code in gone]

    def _places_of(self, task):
        """Positions of these classes within the task."""
        first = self._as_learned(task)[0] - self._old.classes[task]
        return [label - first for label in self._gone_of(task)]

    def _codes(self, task):
        table = self._old.codes.task_table(task).copy()
        table[self._places_of(task)] = 0.0
        return table

    def _take_outputs(self, layer):
        old = self._old.output_layer
        axis = layer.kernel_shape(-1, -2).index(-2)

        def kernel(task):
            return self._without_codes(task, layer, self._kept_outputs(task, old.task_kernel(task), axis))

        self._take(layer.task_kernels, kernel)
        if layer.use_bias:
            self._take(layer.task_biases, lambda task: self._kept_outputs(task, old.task_bias(task), 0))

    def _kept_outputs(self, task, values, axis):
        """Weights of a task's output layers, 0 for forgotten classes: the shape stays, and with it all rounding."""
        if self._old.output_per != "class":
            return values
        values = np.moveaxis(np.array(values), axis, 0)
        size = len(values) // self._old.classes[task]
        for place in self._places_of(task):
            values[place * size : (place + 1) * size] = 0.0
        return np.moveaxis(values, 0, axis)

    def _without_codes(self, task, layer, kernel):
        """Weights of a task's output layer, 0 for one-hot codes of forgotten classes, where it reads z, too."""
        axis, width = layer.kernel_shape(-1, -2).index(-1), self._old.task_widths[task][-1]
        if self._old.conditioning != "one_hot" or kernel.shape[axis] == width:
            return kernel
        kernel = np.moveaxis(np.array(kernel), axis, 0)
        kernel[[width + code for code in self._gone_of(task)]] = 0.0
        return np.moveaxis(kernel, 0, axis)

    def _take_kernels(self, new):
        """Takes over the weights that tasks use; new has all weights drawn anew, and the tasks' bits."""
        for layer, old in zip(new.masked_layers, self._old.masked_layers, strict=True):
            used = np.zeros(layer.kernel.shape, bool)
            for place, task in enumerate(self._tasks):
                used |= _used(new, layer, place, self._not_read(task))
            layer.kernel.assign(np.where(used, np.asarray(old.kernel), np.asarray(layer.kernel)))
