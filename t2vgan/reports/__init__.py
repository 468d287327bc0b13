"""From clips to a report: where they come from, one pass over them, the figures, the page."""
