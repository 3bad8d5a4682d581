"""Feature sets, one a file; each declares FEATURE_SET."""
