"""Where frames go: one kind of output a file, found by its suffix (see `base.Kind`)."""
