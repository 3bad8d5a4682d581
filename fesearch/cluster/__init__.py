"""Clusters: a batch script for SLURM, a file for Ray's launcher, and what they ask on the nodes."""
