"""Requests as people phrase them: of a bank and a shop, to learn from and to judge by, and of intents that no example has.

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
TRADES: dict[str, str] = {
    "bank": "how much is on my savings account|freeze my debit card|raise the limit of my credit card|why was my transfer returned|what is the rate of a fixed deposit|i do not recognise this card payment|open an account for my child|when is my loan instalment due|change the pin of my card|send me last year's statement|is my paycheck in|what does a wire to japan cost",
    "telecom": "my mobile data is used up|why is my phone bill so high|there is no signal at home|upgrade me to an unlimited plan|port my number to you|the router blinks red|activate roaming for spain|my sim card does not work|cancel my internet contract|how fast is the fibre at my address|block calls from this number|when does the technician come",
    "airline": "change my seat to an aisle|can i bring a stroller on board|rebook me on the later flight|my connecting flight was cancelled|how many miles do i have|check me in for tomorrow|upgrade to business class|is there a meal on this flight|claim compensation for a delay|add a bag to my booking|travel with a dog in the cabin|spell my name right on the ticket",
    "hotel": "is breakfast included|can we check in early|the air conditioning in my room is broken|do you have a cot for a baby|extend my stay by a night|is there parking at the hotel|bring more towels to room 214|do you have a pool|cancel my reservation for june|which rooms have a sea view|send somebody to clean|leave a wake up call for six",
    "insurance": "report damage to my car|is a broken phone covered|add my son to the policy|what is my deductible|how do i cancel my home insurance|when will my claim be paid|get a quote for travel insurance|does my plan cover dental work|hail damaged my roof|i need proof of insurance|why did my premium go up|change the beneficiary of my life insurance",
    "health": "book an appointment with a dermatologist|refill my prescription|are my blood results in|i have had a fever for three days|can i take this with alcohol|which vaccines are due for my baby|move my appointment to friday|does the clinic take walk-ins|i need a referral to a cardiologist|what should i do about a rash|how long must i fast before the test|is doctor lee accepting new patients",
    "school": "when are the midterm exams|how do i drop a class|where do i submit my thesis|what do i need for a transcript|is the library open on sunday|how do i apply for a scholarship|who teaches linear algebra|my grade is wrong|pay my tuition in parts|can i switch my major|which dorms have single rooms|extend the deadline of the assignment",
    "personnel": "how many vacation days are left|where is my pay slip|i am sick today|enrol me in the dental plan|when is the next performance review|how do i claim travel expenses|change my tax withholding|is there a policy on working from abroad|refer a friend for the open position|when does parental leave start|add my spouse to the health plan|who approves my overtime",
    "helpdesk": "my laptop does not start|i forgot my windows password|install photoshop on my computer|the printer on the third floor jams|i cannot connect to the vpn|give me access to the shared drive|my screen stays black|set up a mailbox for a new colleague|outlook keeps crashing|i need a second monitor|the wifi in the meeting room is down|unlock my account",
    "public office": "renew my passport|where do i register a birth|how do i pay a parking ticket|when is garbage collected on my street|apply for a building permit|report a pothole|where do i vote|get a copy of my marriage certificate|how do i register a dog|change my address with the city|is the town hall open today|appeal a property tax assessment",
    "property": "is the two bedroom flat still available|when is the rent due|the heating in my apartment is cold|can i sublet my room|how big is the garden|schedule a viewing for saturday|what is the deposit|the upstairs neighbours flood my bathroom|are pets allowed in the building|end my lease|who pays for the broken window|is there an elevator",
    "car": "book a service for my car|how much is a set of winter tires|the brake pedal feels soft|rent me a van for the weekend|is this used car accident free|how do i reset the service light|where is the nearest charging station|what is the towing capacity of the pickup|my windscreen has a crack|what mileage does the hybrid get|return the rental at another station|the battery is flat",
    "restaurant": "do you have vegan dishes|can i order for delivery|is the terrace open|what is the soup of the day|book a table for eight|is there gluten in the sauce|do you cater for weddings|my food arrived cold|split the bill in three|what wine goes with lamb|do you have a kids menu|how late does the kitchen serve",
    "retail": "where is my parcel|exchange this for a smaller size|is the grey sofa in stock|the blender arrived with a crack|apply my discount code|do you ship to norway|how do i wash this sweater|match the price of another shop|how long is the warranty|print a return label|send me a gift card|remove an item from my cart",
    "grocery": "which yoghurts have no sugar|is the organic milk sold out|deliver my groceries after six|the bananas were bruised|how much is a kilo of beef|substitute the bread if it is missing|do you sell halal meat|when does the store open|find me a cheap olive oil|is this cheese made with raw milk|put coffee on my list|what is on offer this week",
    "energy": "submit my meter reading|why is my power bill so high|there is an outage in our street|switch me to green electricity|i smell gas|when is my boiler serviced|what does a kilowatt hour cost|sign up for solar panels|change the monthly instalment|move my contract to the new house|is the water safe to drink|how do i read the meter",
    "travel": "plan three days in rome|which island is best for families|do i need a visa for brazil|is it rainy season in thailand|find a train from paris to lyon|what should i pack for iceland|is the tap water fine in mexico|how much do people tip in canada|rent a cabin in the mountains|what is worth seeing in kyoto|cheapest month to fly to bali|is the museum closed on mondays",
    "fitness": "freeze my gym membership|which exercises are good for the back|how many calories did i burn|when is the yoga class|how much protein do i need|build me a training plan|my knee hurts after running|is the sauna open|cancel the personal training|how do i do a pull up|what is a good heart rate|log a five kilometre run",
    "entertainment": "play some jazz|skip this track|recommend a series like this one|when does season three come out|my stream keeps buffering|who directed this film|turn the volume down|which games can two people play|what is on tv tonight|two tickets for the concert|how does the novel end|what is the score of the match",
    "home": "turn the heating to twenty degrees|dim the lamps in the hall|vacuum the living room|is the garage door closed|wake me at seven|remind me of the dentist|set a timer for the pasta|what is in my calendar today|call my sister|write a message to paul|add soap to the list|show me the camera at the door",
    "law": "can my landlord evict me|do i need a lawyer for a will|how do i register a trademark|what are the grounds for divorce|is a verbal contract binding|what happens at a hearing|review this nondisclosure agreement|can my employer read my mail|how do i file a small claim|what is the notice period|draft terms of service|am i liable for my tenant",
    "software": "my build fails with a linker error|why is this query slow|write a unit test for this class|rename a branch in git|what does this regex match|deploy the service to staging|roll back the last release|convert this xml to json|how do i parse dates in go|the container runs out of memory|explain this stack trace|review my pull request",
    "marketing": "write a caption for our launch|which keywords should we bid on|draft a newsletter for spring|how did the campaign perform|think of a name for a bakery|make this paragraph shorter|what is our open rate|translate the brochure into dutch|plan posts for next week|who are our competitors|write a press release|improve this headline",
    "logistics": "book a truck to hamburg|what is the customs tariff for shoes|how many pallets are in the warehouse|the container is stuck in the port|what is the estimated arrival of the shipment|print the packing slip|the forklift needs repair|count the stock of item 88|schedule a pickup for tomorrow|which carrier is cheapest to poland|the goods arrived wet|change the delivery window",
}  # fmt: skip
"""Requests to other trades, a dozen each, of which nothing is learnt."""
_ALIKE = {"bank": ("bank",), "shop": ("retail", "grocery", "logistics")}
"""Trades that a bank's or a shop's requests belong to as well."""
FOLDS = 5


def folds(domain: dict[str, str], seed: int) -> Iterator[tuple[list[str], list[str]]]:
    """Five times: what is learnt (four in five requests of each intent), and what is in scope and judged."""
    intents = [phrases.split("|") for phrases in domain.values()]
    for phrases in intents:
        random.Random(seed).shuffle(phrases)
    for fold in range(FOLDS):
        learnt = [phrase for phrases in intents for at, phrase in enumerate(phrases) if at % FOLDS != fold]
        yield learnt, [phrase for phrases in intents for at, phrase in enumerate(phrases) if at % FOLDS == fold]


def other_trades(domain: str) -> list[str]:
    """Requests to trades that are not like a domain (``bank`` or ``shop``)."""
    return [phrase for trade, phrases in TRADES.items() if trade not in _ALIKE[domain] for phrase in phrases.split("|")]


def strange() -> list[str]:
    """Requests of other intents, of which nothing is learnt."""
    return [phrase for group in STRANGE for phrase in group.split("|")]
