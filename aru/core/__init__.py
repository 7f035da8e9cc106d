"""What every room needs: parameters, errors, files, names, seeds, progress."""
