"""How a network learns: the loop, its checkpoints, its stretches, where its weights begin."""
