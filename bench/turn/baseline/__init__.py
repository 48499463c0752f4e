"""The policy before the one in use: counted endings and lists of words in one logistic model, and tables of thresholds."""
