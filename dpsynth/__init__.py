"""Differentially private synthetic tables with a certificate, a report and a ledger that remembers what they cost."""
