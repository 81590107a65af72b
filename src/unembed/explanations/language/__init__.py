"""Language models that are asked about texts: behind a server, or on this machine."""
