"""Fair hyperparameter search for formation energies of inorganic compounds.

Importing this package imports nothing heavy; each stage is a module of its own
(``fesearch.dataset``, ``fesearch.split``, ``fesearch.trial``, ...) and can be used alone.
"""

__version__ = "0.1.0"
