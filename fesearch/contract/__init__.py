"""What every model family must do: checks of one family each, for tests and for users."""
