"""Where frames come from: one kind of source a file, all of them a `Source`."""
