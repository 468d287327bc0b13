"""Whether a data set can be used, clip by clip, before anything is trained on it."""
