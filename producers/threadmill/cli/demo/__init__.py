"""`threadmill demo`: `bot` is what its workers load, `script` what its users do."""
