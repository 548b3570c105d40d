"""Operations: what an operator or PeopleStage asks for."""
