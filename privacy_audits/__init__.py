"""Experiments about this software, with recorded results: does the implementation keep what the accountants prove?"""
