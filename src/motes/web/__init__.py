"""``motes serve``: a page on this machine to click points, see them tracked, correct and export.

The server (FastAPI, uvicorn) keeps the open videos, their points and their sessions; pages are
views of it.  ``static`` holds the page: plain ES modules, nothing is loaded from elsewhere.
"""
