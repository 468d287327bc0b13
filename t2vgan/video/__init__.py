"""Video files to frames and back, uint8 RGB `(t, h, w, 3)`: the only place where decord and PyAV are used."""
