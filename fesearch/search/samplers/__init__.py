"""Ways to sample, one a file; each declares SAMPLER, a ``sampler.Method``."""
