"""What the verbs of `trendlab` do."""
