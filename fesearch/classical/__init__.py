"""What families of trees, kernels, neighbours and linear models share; networks have ``nets``."""
