"""From result rows to numbers with intervals, figures and a report."""
