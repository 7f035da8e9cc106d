"""From an archive as it was received to four sets of images."""
