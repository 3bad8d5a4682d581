"""Services that searches can be followed in, one a file; each declares TRACKER."""
