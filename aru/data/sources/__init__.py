"""One file a layout of photos and labels."""
