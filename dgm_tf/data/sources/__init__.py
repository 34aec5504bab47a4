"""Where images come from: data sets of TFDS, folders, archives, the package itself."""
