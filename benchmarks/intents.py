"""Requests of made-up intents, by templates: inside and outside of a support desk's scope."""

from __future__ import annotations

import random

SLOTS = {
    "product": ["workspace", "dashboard", "mobile app", "export", "integration", "account", "team page", "importer"],
    "thing": ["invoice", "receipt", "subscription", "licence", "seat", "plan", "payment", "charge"],
    "fault": ["crashes", "does not load", "is slow", "shows an error", "freezes", "is empty", "lost my data", "hangs"],
    "when": ["since this morning", "after the update", "every time", "today", "again", "since monday", "", ""],
    "please": [
        "please",
        "can you",
        "could you",
        "i need you to",
        "i would like to",
        "how do i",
        "help me",
        "i want to",
    ],
    "person": ["my colleague", "a new user", "our admin", "my manager", "the finance team", "somebody who left"],
}
INSIDE = {
    "bug": ["the {product} {fault} {when}", "{please} fix the {product}, it {fault}", "why is it that the {product} {fault} {when}"],
    "refund": ["{please} refund the {thing}", "i was charged twice for the {thing}", "the {thing} was wrong, i want my money back {when}"],
    "invoice": ["{please} send me the {thing} of last month", "where is my {thing}", "the {thing} has the wrong address"],
    "cancel": ["{please} cancel my {thing}", "i do not want the {thing} any more", "stop my {thing} {when}"],
    "upgrade": ["{please} upgrade my {thing}", "what does the larger {thing} cost", "switch us to the yearly {thing}"],
    "login": ["i cannot log in to the {product} {when}", "{please} reset my password", "the login of the {product} {fault}"],
    "invite": ["{please} invite {person} to the {product}", "add {person} to our {product}", "{person} did not get the invitation"],
    "remove": ["{please} remove {person} from the {product}", "{person} should not have access to the {product}"],
    "export": ["{please} export all data of the {product}", "the export of the {product} {fault}", "download everything from the {product}"],
    "connect": ["{please} connect the {product} with our crm", "the sync of the {product} {fault} {when}", "set up the api key of the {product}"],
}  # fmt: skip
_OUTSIDE = {
    "weather": ["will it {rain} in {city} {day}", "how {hot} is it in {city}", "what is the forecast for {city} {day}"],
    "recipe": ["how do i cook {dish}", "give me a recipe for {dish}", "how long does {dish} take in the oven"],
    "travel": ["book a flight to {city} {day}", "find a hotel in {city}", "what should i see in {city}"],
    "music": ["play something by {artist}", "put on {artist}", "who sings this song, is it {artist}"],
    "maths": ["what is {number} times {number}", "solve {number} x equals {number}", "is {number} a prime number"],
    "health": ["i have {pain} what helps", "is {pain} dangerous", "which medicine is good against {pain}"],
    "poem": ["write a poem about {city}", "write me a story with {artist} and {dish}", "make up a limerick about {dish}"],
    "sports": ["did {artist} win {day}", "what was the score {day}", "when do they play in {city}"],
    "finance": ["should i buy {stock} shares", "where will {stock} be next year", "what is the price of {stock} {day}"],
    "chat": ["how are you {day}", "do you like {dish}", "have you ever been to {city}"],
    "translate": ["how do you say {dish} in french", "translate {dish} to german", "what is the spanish word for {dish}"],
    "history": ["when was {city} founded", "who was king in {city}", "what happened in {city} in {number}"],
    "shopping": ["where can i buy {dish} {day}", "order {dish} for tonight", "put {dish} on my shopping list"],
    "alarm": ["wake me at {number} {day}", "set a timer for {number} minutes", "remind me of {dish} {day}"],
    "film": ["which film with {artist} is good", "what is on tv {day}", "who plays in the new film with {artist}"],
    "law": ["can i sue {artist}", "is it legal to sell {dish}", "do i have to pay tax in {city}"],
    "pets": ["my dog ate {dish}", "can cats eat {dish}", "how old do dogs get in {city}"],
    "love": ["does {artist} love me", "how do i ask {artist} out {day}", "write a love letter to {artist}"],
    "code": ["write a program that counts to {number}", "sort {number} numbers in c", "explain recursion with {dish}"],
    "garden": ["when do i plant {dish}", "how much water does {dish} need {day}", "why does my {dish} have no leaves"],
}  # fmt: skip
SLOTS |= {
    "rain": ["rain", "snow", "be sunny", "storm"],
    "hot": ["hot", "cold", "humid", "windy"],
    "city": ["paris", "tokyo", "lagos", "lima", "oslo", "delhi", "cairo", "quito"],
    "day": ["today", "tomorrow", "tonight", "on sunday", "this week", "", ""],
    "dish": ["pumpkin soup", "lasagne", "tomatoes", "rice", "an apple pie", "basil", "curry", "beans"],
    "artist": ["mozart", "the beatles", "my neighbour", "that actor", "the new drummer", "a jazz band"],
    "number": ["12", "seven", "1830", "45", "ninety", "6"],
    "pain": ["a headache", "back pain", "a cough", "this rash", "a fever"],
    "stock": ["gold", "bitcoin", "oil", "airline", "tech"],
}


def _said(intents: dict[str, list[str]], per_intent: int, rng: random.Random) -> list[str]:
    texts = []
    for templates in intents.values():
        for number in range(per_intent):
            template = templates[number % len(templates)]
            while "{" in template:
                slot = template[template.index("{") + 1 : template.index("}")]
                template = template.replace("{" + slot + "}", rng.choice(SLOTS[slot]), 1)
            texts.append(" ".join(template.split()))
    return texts


def requests(seed: int = 1) -> dict[str, list[str]]:
    """Examples to learn from and requests to be judged.

    ``learn_in`` 20 per intent, without the last way in which each is said; ``learn_out`` 20 of each of half of the
    outside intents. ``in`` and ``out`` are new requests: said in new ways too, and of unseen intents too.
    """
    rng = random.Random(seed)
    names = sorted(_OUTSIDE)
    rng.shuffle(names)
    seen = {name: _OUTSIDE[name] for name in names[: len(names) // 2]}
    learnt = {name: ways[:-1] for name, ways in INSIDE.items()}
    learn_in, learn_out = _said(learnt, 20, rng), _said(seen, 20, rng)
    known = {*learn_in, *learn_out}
    return {
        "learn_in": learn_in,
        "learn_out": learn_out,
        "in": [text for text in _said(INSIDE, 100, rng) if text not in known],
        "out": [text for text in _said(_OUTSIDE, 50, rng) if text not in known],
    }
