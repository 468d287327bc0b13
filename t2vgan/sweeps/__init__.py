"""Many runs of one question: the sweep file, the workers that run its trials, the report."""
