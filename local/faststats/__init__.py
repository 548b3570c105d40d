"""Plays FastStats and PeopleStage: their databases, jobs, script calls and delivery files."""
