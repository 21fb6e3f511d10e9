"""The three networks at a size at which nothing takes long."""

import numpy as np

SIZE = 48


def check_that_a_step_changes_every_weight(architecture: str) -> None:
    """Builds, answers with finite logits and no other losses than its own, and all of it learns."""
    import keras

    from app.ct.manifest import NetworkSpec
    from training.learning.networks import build, loss_weights, training_model

    keras.utils.set_random_seed(0)
    network = build(architecture, NetworkSpec(head="linear", size=SIZE, stages=(5,)))
    model = training_model(network)
    gray = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 1)).astype(np.float32)
    labels = dict.fromkeys(model.output, np.array([0, 1], np.float32))
    losses = {name: keras.losses.BinaryCrossentropy(from_logits=True) for name in model.output}
    before = [np.array(w) for w in model.get_weights()]

    model.compile(
        keras.optimizers.SGD(0.01),
        loss=losses,
        loss_weights=loss_weights(model),
        # For one step no graph is worth tracing; JAX is the other way around.
        run_eagerly=keras.backend.backend() != "jax",
    )
    told = model.train_on_batch(gray, labels, return_dict=True)
    answered = network.predict_on_batch(gray)

    assert np.isfinite(told["loss"])
    assert np.asarray(answered["logit"]).shape == (2,)
    after = model.get_weights()
    assert all((before[k] != after[k]).any() for k, v in enumerate(model.weights) if v.name == "kernel")
