"""Checkers of the chapters' exercises, one module per chapter."""
