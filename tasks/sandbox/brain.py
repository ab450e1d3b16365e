"""placeholder"""

from tasks.sandbox.question import Answer, Question
from tasks.sandbox.tokens import count_tokens, first_tokens


def answer_question(question: Question, seed: str) -> Answer:
    text = "[sandbox] " + next((m.text for m in reversed(question.messages) if m.role == "user"), "")[:200]
    n = count_tokens(text)
    if question.max_tokens and n > question.max_tokens:
        return Answer(first_tokens(text, question.max_tokens), question.max_tokens, stop="length")
    return Answer(text, n)
