"""Pages, tables and figures, made from the JSON of a run, a comparison or an audit alone."""
