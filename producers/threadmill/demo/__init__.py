"""What `threadmill demo` plays: `bot` is what its workers load, `script` what its users do."""
