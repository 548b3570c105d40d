"""Where the bridge touches the other side: whoever plays something there stands in this place."""


class Passage:
    """Lets everything through. An operation is named for a reader, such as `SFTP rename a to b`."""

    def looking(self, operation: str) -> None:
        """Something is about to be looked at."""

    def changing(self, operation: str) -> None:
        """Something is about to be changed."""

    def changed(self, operation: str) -> None:
        """It is changed, and the bridge is not answered yet."""
