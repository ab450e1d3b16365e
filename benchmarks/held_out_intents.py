"""Requests as people phrase them: of a bank's support, to learn from and to judge by, and of intents that no example has.

Written for this project without templates. Of ``STRANGE`` nothing is learnt; few of its intents are near those of
``guardrails.guards.scope_negatives``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

BANK: dict[str, str] = {
    "balance": "how much money do i have|what's my balance|show me what is in my checking account|do i have enough in savings to cover rent|tell me the balance of both accounts|how much is left on my account|what does my current account look like|is there any money in my savings|balance please|check my account balance|can you tell me how much i have in the bank|whats the amount in my savings account|how much cash do i have available|i need to know my account balance|see my balance",
    "transfer": "move 200 from savings to checking|transfer fifty dollars to my wife|send money to john's account|i need to wire 500 to germany|can you transfer my rent to the landlord|put 100 in my savings account|shift some money between my accounts|make a transfer to another bank|pay 30 to anna|how do i send money abroad|move funds into my checking|i want to transfer money to a friend|set up a standing order of 400 a month|transfer 20 to savings please|send 75 to my brother's account",
    "lost_card": "i lost my card|my credit card was stolen|i can't find my debit card|someone took my wallet with the card in it|report a missing card|block my card right now|my card is gone what do i do|freeze the card please|the atm swallowed my card|i left my card in a restaurant|need to cancel a lost card|my bank card has disappeared|please stop my card it was stolen|i think i dropped my visa somewhere|lock my debit card",
    "new_card": "when does my new card arrive|i need a replacement card|order a new debit card|my card expires next month will i get another|the card you sent never came|how long until the card is delivered|can i get a second card for my husband|activate my new card|i have got a new card how do i turn it on|request a credit card|my card is damaged and needs replacing|where is the card i ordered|send me another card|i would like to apply for a credit card|has my card been mailed",
    "fraud": "there is a charge i did not make|i don't recognise a transaction on my account|someone used my card in another country|a fraudulent payment shows up in my statement|dispute a charge|i see a strange withdrawal|somebody stole money from my account|this payment wasn't me|report fraud on my credit card|i want my money back for a charge i never approved|unknown transaction of 80 dollars|my account was hacked|i was charged by a shop i have never been to|there's suspicious activity on my card|contest a payment",
    "pin": "i forgot my pin|change my pin code|how do i reset the pin of my card|my pin is blocked|wrong pin three times|set a new pin|what do i do if i don't remember my pin|where can i change the pin|unlock my pin|i need another pin for my debit card|can i choose my own pin|pin number reset please|the machine says my pin is wrong|get me a new pin|my pin does not work any more",
    "fees": "why was i charged a fee|what does it cost to withdraw abroad|is there a monthly account fee|how much are overdraft charges|there is a 5 dollar fee on my statement|do you charge for transfers|what are the fees for foreign transactions|waive the late fee|explain the charge for paper statements|why is there interest on my overdraft|cost of keeping the account|how high is the atm fee|refund the overdraft fee|are there fees for using my card in europe|what do you charge for a wire",
    "loan": "what is the interest rate of a personal loan|can i get a mortgage|how much can i borrow|apply for a car loan|when is my loan payment due|pay off my loan early|status of my mortgage application|what do i need for a loan|raise my credit limit|increase the limit on my card|how long do i have to pay back the loan|what rate would i get on a mortgage|has my loan been approved|i want to borrow 5000|lower the interest on my loan",
    "statement": "send me my bank statement|show my last transactions|what did i spend in march|download my statements as pdf|list all payments of this week|how much did i spend on groceries|i need the statement for my tax|did my salary come in|has the payment from acme arrived|show me the deposits of last month|which direct debits left my account|when was my last withdrawal|print my transaction history|what were my latest purchases|is my paycheck in yet",
    "details": "change my address with the bank|i moved please update my address|my phone number is different now|what is my iban|tell me my account number|what's your routing number|update the email on my account|i got married and changed my name|where do i find the sort code|close my account|open a savings account|add my wife to the account|how do i open a joint account|what's the swift code of your bank|i need my account details",
}  # fmt: skip
STRANGE = (
    "when should i change the oil in my car|what tire pressure does a civic need|my engine light is on|schedule a tune up for friday|how many miles per gallon does a prius get|jump start a car how",
    "do i need a visa for vietnam|which vaccines should i get before kenya|is it safe to travel to cairo|what plug do they use in england|how long is the flight to tokyo|did my luggage arrive in denver",
    "reserve a table for four at seven|does the thai place take bookings|cancel our dinner reservation|how busy is olive garden right now|what do people say about the new sushi bar|how many calories in a bagel",
    "can i swap milk for cream|how long do i boil eggs|is the rice still good after four days|what goes into pesto|suggest a meal from italy|at what temperature do i bake salmon",
    "request two days off in june|how many vacation days have i left|when is my next meeting with tom|put a meeting on wednesday at ten|what is on my calendar|has my leave been approved",
    "turn off the lights in the kitchen|lower the thermostat|start the vacuum|lock the front door|call my phone i can't find it|change your language to italian",
    "how do you spell bureaucracy|what does ubiquitous mean|synonym of happy|flip a coin|roll two dice|pick a number between one and ten",
    "add bread to my shopping list|what is on my to do list|clear the list|remind me about the dentist|did i finish the laundry task|order more paper towels",
    "where did you grow up|who do you work for|what hobbies do you have|do you own a dog|can you speak slower|what can you do for me",
    "what's the traffic like on the way downtown|directions to the library|how far is the airport|which bus goes to the stadium|find a gas station|call me a taxi",
    "which exercises help against back pain|how many steps should i walk|what are symptoms of the flu|does ibuprofen make you tired|how do i sleep better|what is a normal heart rate",
    "who wrote hamlet|when did the berlin wall fall|how deep is the ocean|what planet is closest to the sun|how many bones has a human|why is the sky blue",
    "fix this python function|explain recursion|write an essay on climate|summarise war and peace|draft a cover letter for a nurse|make a slogan for my bakery",
    "how do i train for a marathon|rules of offside|who plays tonight|best chess opening|what is the score of the lakers|how do you hold a racket",
    "how do i get rid of ants|when do tulips bloom|paint a wall without streaks|unclog a sink|what wood is good for shelves|is my lease valid without a signature",
    "name for a kitten|does my cat need shots|how often do i feed a puppy|are lilies toxic to dogs|clean a fish tank|why does my parrot scream",
)  # fmt: skip
SHOP: dict[str, str] = {
    "track": "where is my parcel|track my order|has my package been shipped|when will my delivery arrive|the courier says delivered but nothing came|my order is late|what's the status of order 4411|still waiting for my shoes|did you send my order yet|package stuck in customs|can you check where the driver is|tracking link does not work",
    "return": "i want to send this back|how do i return a dress|the shoes don't fit can i return them|print a return label|how long do i have to return something|where do i drop off my return|is returning free|i changed my mind about the jacket|can i return a sale item|the return has not been booked|exchange for a bigger size|swap the blue one for red",
    "refund": "when do i get my money back|my refund has not arrived|you refunded too little|how is the refund paid|refund to another card please|i returned it two weeks ago and no money yet|can i have store credit instead|refund of shipping costs|partial refund for the scratch|why was my refund refused|cancel and refund|how long does a refund take",
    "damaged": "the vase arrived broken|there's a hole in the sweater|wrong item in the box|a part is missing|the zipper is broken|the lamp does not work|you sent me the wrong colour|the box was crushed|it stopped working after a week|warranty claim for my headphones|scratches on the table|one glass of the set is cracked",
    "account": "i can't log in to my shop account|reset my password|change my email address|delete my account|update my delivery address|unsubscribe from the newsletter|merge my two accounts|i don't get the confirmation mail|add a second address|how do i change my phone number|my account is locked|remove my saved card",
    "product": "is this available in size 42|do you have the chair in oak|when will the bag be back in stock|is the jacket waterproof|what material is the sofa|does it come with batteries|how tall is the shelf|which size should i take|does the pan work on induction|is it machine washable|do you sell gift cards|can i see it in a store",
}  # fmt: skip
"""Requests to a shop: fewer and more varied examples of each intent, for which nothing was chosen."""
FOLDS = 5


def folds(domain: dict[str, str], seed: int) -> Iterator[tuple[list[str], list[str]]]:
    """Five times: what is learnt (four in five requests of each intent), and what is in scope and judged."""
    intents = [phrases.split("|") for phrases in domain.values()]
    for phrases in intents:
        random.Random(seed).shuffle(phrases)
    for fold in range(FOLDS):
        learnt = [phrase for phrases in intents for at, phrase in enumerate(phrases) if at % FOLDS != fold]
        yield learnt, [phrase for phrases in intents for at, phrase in enumerate(phrases) if at % FOLDS == fold]


def strange() -> list[str]:
    """Requests of other intents, of which nothing is learnt."""
    return [phrase for group in STRANGE for phrase in group.split("|")]
