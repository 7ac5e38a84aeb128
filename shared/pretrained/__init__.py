"""Published models that several demos use as they are: texts to vectors, and a judge of pictures."""
