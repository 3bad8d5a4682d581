"""Deciding what to train next and when to stop it; the home of Optuna and Ray."""
