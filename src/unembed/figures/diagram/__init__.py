"""A flow diagram of boxes and bands, drawn with Plotly."""
