"""Making a portrait ready to be animated. Done once for each picture, with libraries that the running service does without."""
