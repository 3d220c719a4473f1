"""The sample world: a captioned set of drawings with planted faults, and a judge that knows what was drawn."""
