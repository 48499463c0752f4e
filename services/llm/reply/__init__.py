"""What the persona says: recalled, generated, checked, and shown on its face."""
