"""What those who run the hub ask of it: is it alive, is it ready."""
