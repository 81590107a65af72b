"""Explanations given as text, scored by who reads them: simulation, detection, fuzzing."""
