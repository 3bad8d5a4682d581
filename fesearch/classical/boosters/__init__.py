"""What boosters of other packages look like from outside: read and checked before they are loaded.

The packages trust the numbers in their own files: one node that looks at a feature or goes to a
child that is not there ends the process. Here is one module for each package, and what they share.
"""
