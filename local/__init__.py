"""The local stack: an AWS emulator and a PostgreSQL server of one's own, and the product deployed to them."""
