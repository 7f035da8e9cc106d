"""The results of a comparison: page, Markdown file and plots."""
