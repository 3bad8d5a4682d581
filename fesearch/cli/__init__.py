"""The command line: a doorway. Each command reads, makes one library call, and prints."""
