"""Sources of data, one a file."""
