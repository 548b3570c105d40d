"""The HTTP face: status, health, and the slots of PeopleStage's channel."""
