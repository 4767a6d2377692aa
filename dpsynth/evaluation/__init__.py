"""Usefulness of a synthetic table, never its safety."""
