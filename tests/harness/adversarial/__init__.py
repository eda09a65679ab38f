"""Inputs of any size on which a parser or matcher with superlinear algorithms stalls, by parser."""
