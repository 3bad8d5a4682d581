"""Scores on record side by side: who is best on one division or several, and how sure that is."""
