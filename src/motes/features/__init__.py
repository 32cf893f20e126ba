"""Parts that models are wired from: encoders, sampling, correlation, attention, embeddings."""
