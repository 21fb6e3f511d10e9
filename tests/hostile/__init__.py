"""Files, forms and requests made to do harm."""
