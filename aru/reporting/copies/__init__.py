"""The page that shows copies of photos under other names, for the machine that has the photos."""
