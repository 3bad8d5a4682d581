"""Networks and their training; the home of torch."""
