"""What a person types and sees: options, amounts, lines that move."""
