"""What runs beside the tests on this machine: child processes, folders, ports and servers that end with the run."""
