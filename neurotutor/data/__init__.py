"""Loaders of real recordings and simulators with known ground truth."""
