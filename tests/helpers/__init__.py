"""What the tests stand on: real servers, real processes, an independent reader of streams, a browser."""
