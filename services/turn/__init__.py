"""Turn-taking: who has the floor, and what comes next."""
