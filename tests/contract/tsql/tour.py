"""A tour through all that the code does with its databases."""

from shared.steps import control
from shared.steps.draw_suppressions import draw_suppressions
from shared.web.status import status
from tests.flow.harness import Flow, channel


def tour(flow: Flow) -> None:
    """Send every statement at least once."""
    flow.use(channel(suppress=True))
    draw_suppressions(flow.bridge)
    flow.run(flow.order(recipients=150))
    flow.collect_responses()
    draw_suppressions(flow.bridge)
    status(flow.bridge)
