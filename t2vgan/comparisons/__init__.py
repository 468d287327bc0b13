"""Many designs on the same data, with the same budget, before the same judge."""
