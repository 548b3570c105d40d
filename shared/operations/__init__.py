"""Operations: what a person asks for."""
