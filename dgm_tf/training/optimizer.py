"""Adam with one fused kernel for each variable, by two rules; and the decay of its learning rate."""

import keras
import tensorflow as tf

# Epsilon of each rule. It stands beside the square root of the second moment: "pytorch" corrects the moment's bias
# first, as Kingma and Ba's Algorithm 1 does, "keras" does not.
ADAMS = {"pytorch": 1e-8, "keras": 1e-7}


class FusedAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, 2015) by one of the rules of `ADAMS`, from TensorFlow's fused kernel.

    Keras writes an update out in a dozen operations, each of which passes over the variable once: a third of what a
    classifier's update costs beside its convolutions.

    Args:
      rule: of `ADAMS`. In the first step a weight with a gradient of 1e-8 moves by half of the learning rate with
        "pytorch", by 0.3 % of it with "keras".
      The others: of Keras's.
    """

    def __init__(self, *args, rule="pytorch", **kwargs):
        super().__init__(*args, epsilon=ADAMS[rule], **kwargs)
        self.rule = rule

    def apply(self, grads, trainable_variables=None):
        """One step; grads and trainable_variables: lists of the same length, built before.

        Each replica updates its own copies: the gradients must be the same on all of them, their mean. (Keras sums
        them over replicas.)
        """
        step = tf.cast(self.iterations + 1, tf.float32)
        rate = tf.convert_to_tensor(self.learning_rate)
        powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        # The kernel does not correct the moment: sqrt(v / c) + epsilon is (sqrt(v) + epsilon sqrt(c)) / sqrt(c).
        epsilon = self.epsilon * tf.sqrt(1.0 - powers[1]) if self.rule == "pytorch" else self.epsilon
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self._apply_fused(gradient, variable, rate, powers, epsilon)
        return self.iterations.assign_add(1)

    def _apply_fused(self, gradient, variable, rate, powers, epsilon):
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=epsilon,
            grad=gradient,
        )


def make_adam(learning_rate, variables, beta_1=0.5, beta_2=0.999, rule="pytorch"):
    """A built `FusedAdam`: its slots must exist before a step is traced under several replicas."""
    # Named, or Keras counts: a resumed process would give the variables other names than the checkpoint's.
    optimizer = FusedAdam(learning_rate, beta_1, beta_2, rule=rule, name="adam")
    optimizer.build(variables)
    return optimizer


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then falling linearly to zero over the last `share` of the `updates`, share in (0, 1]."""

    def __init__(self, rate, share, updates):
        self.rate, self.share, self.updates = rate, share, updates

    def __call__(self, step):
        """The rate of update `step`, counted from 0."""
        left = (self.updates - tf.cast(step, tf.float32)) / (self.share * self.updates)
        return self.rate * tf.clip_by_value(left, 0.0, 1.0)


def decaying(rate, share, updates):
    """Learning rate for `make_adam`: `LinearDecay`, or a constant if share is 0."""
    return LinearDecay(rate, share, updates) if share else rate
