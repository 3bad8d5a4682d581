"""Model families, one a file; each declares FAMILY."""
