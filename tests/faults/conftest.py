"""The fixtures of the flow serve here too."""

from tests.flow.conftest import alone, flow, shared_simulator, simulators

__all__ = ["alone", "flow", "shared_simulator", "simulators"]
