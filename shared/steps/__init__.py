"""The six steps of the flow, one module each. A step is what a function calls; it knows no trigger."""
