"""Networks: built, saved, loaded, copied afresh; their blocks and the units that can be reset."""
