"""Reports for people: tables, figures, grids of images."""
