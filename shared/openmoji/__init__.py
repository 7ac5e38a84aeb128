"""OpenMoji, the pictures of several demos: facts, pixels, families and one division into parts for all of them."""
