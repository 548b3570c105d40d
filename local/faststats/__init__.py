"""Simulates FastStats and PeopleStage: databases, jobs, script calls and delivery files."""
