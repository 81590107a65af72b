"""Results as Plotly figures and stand-alone pages: one package for each result that has a picture.

What is drawn with (grids, bands, pages, colours) knows neither results nor models.
"""
