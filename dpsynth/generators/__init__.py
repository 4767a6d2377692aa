"""Generators, one file each; they ask the curator questions and never see a row."""
