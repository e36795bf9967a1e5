"""Image data sets: files, splits, augmentation and batches."""
