"""Experiments about this software: does the implementation deliver the epsilon that it claims?

Everything here runs on tables that the auditor made up, so nothing has to be protected, and exact answers may stand
beside noisy ones. What is audited runs through its own front door: a curator, a ledger, the operating system's entropy.
"""
