"""Results as Plotly figures and stand-alone pages. Knows no torch and no model."""
