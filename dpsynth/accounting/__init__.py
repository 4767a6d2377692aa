"""What a mechanism costs: unit, budget, events, accountants, filter."""
