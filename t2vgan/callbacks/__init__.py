"""What happens around the training step: one verb per file. The game itself is in `module.py`."""
