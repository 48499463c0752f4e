"""How the `fusion` turn engine was trained: made conversational turns, features at each silence, a small logistic model."""
