"""Ways to stop trials early, one a file; each declares PRUNER, a ``pruner.Pruner``."""
