"""The steps of the flow, which run by themselves. A step is what a function calls; it knows no trigger."""
