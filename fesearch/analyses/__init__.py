"""The analyses, one a module; ``analysis.ANALYSES`` finds them."""
