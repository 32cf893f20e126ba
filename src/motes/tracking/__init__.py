"""Between a model and the user: loading, windows, sessions, streams, recordings."""
