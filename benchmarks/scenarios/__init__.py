"""One module for each scenario: `measure(run)` yields figures."""
