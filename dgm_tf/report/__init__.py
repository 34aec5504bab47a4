"""What people read and look at: tables, figures, grids of images."""
