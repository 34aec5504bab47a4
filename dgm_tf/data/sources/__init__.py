"""Sources of images: TensorFlow Datasets, folders, NumPy archives, images of this package."""
