"""What runs beside the tests on this machine, and ends with them: processes, folders, ports and servers."""
