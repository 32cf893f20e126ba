"""Many videos: jobs, a ledger of what is done, and workers that do the rest."""
