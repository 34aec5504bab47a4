"""Capacity of the generator: how it is used, and how it grows."""

from dgm_tf.measures.measure import Detail


class Capacity(Detail):
    """What each masked layer has reserved, reused and left free, and how large the generator is."""

    name = "capacity"

    def applies(self, view):
        """Of methods with masks."""
        return "capacity" in view.outcome

    def after_task(self, view):
        """{"task", "size": trainable parameters, "layers": {name: counts}}."""
        return view.outcome["capacity"]

    def scalars(self, value, view):
        """Under growth/."""
        tags = {"growth/generator_parameters": value["size"]}
        for name, layer in value["layers"].items():
            tags |= {f"growth/{name}/{key}": count for key, count in layer.items()}
        return tags
