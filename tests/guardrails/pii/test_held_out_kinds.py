"""Kinds that held-out texts showed to be missed or masked without need, and the shares on those texts."""

import pytest

from benchmarks.guards import covered
from benchmarks.held_out_personal import harmless, held_out
from benchmarks.second_personal_texts import HARMLESS, second
from guardrails.pii.guard import find
from guardrails.pii.values import KnownValues

PERSONAL = [
    ("write to ada @example.com", "ada @example.com"),
    ("mail ada at gmail.com please", "ada at gmail.com"),
    ("reach me: ada.l at outlook.com", "ada.l at outlook.com"),
    ("My email: ada at acme-corp.io", "ada at acme-corp.io"),
    ("m.leroy (arobase) courriel.example", "m.leroy (arobase) courriel.example"),
    ("NIE x-1234567-l", "x-1234567-l"),
    ("personnummer 811228+9874", "811228+9874"),
    ("ur. 14.03.1985", "14.03.1985"),
    ("bin am 3. Mai 1974 geboren", "3. Mai 1974"),
    ("1992년 8월 15일생", "1992년 8월 15일"),
    ("ημερομηνία γέννησης 5/6/1970", "5/6/1970"),
    ("Syntymäaika: 19. maaliskuuta 1988", "19. maaliskuuta 1988"),
    ("INSERT INTO t (name, dob) VALUES ('Ann', '1974-04-13'), ('Bo', '1975-04-13');", "1975-04-13"),
    ("Passnummer N62291527", "N62291527"),
    ("nr prawa jazdy VB120055B", "VB120055B"),
    ("C.F.: VRDLGI43C55F205C", "VRDLGI43C55F205C"),
    ("외국인등록번호 920815-5123456", "920815-5123456"),
    ("Nr dowodu osobistego: ABC 123456", "ABC 123456"),
    ("targa del veicolo: GA 123 BC", "GA 123 BC"),
    ("차량번호 12가 3431 주차", "12가 3431"),
    ("车牌号粤B D6864的车主", "粤B D6864"),
    ("34 AB 1234 plakalı araç", "34 AB 1234"),
    ("license plate 272-31-322", "272-31-322"),
    ("Sätt in på SE46 3134 1136 5712 0090 3078, tack", "SE46 3134 1136 5712 0090 3078"),
    ("pay to GB80FICC9042558723980 today", "GB80FICC9042558723980"),
    ("moro na Av. Atlântica, 484, apto 50, Rio de Janeiro", "Av. Atlântica, 484, apto 50, Rio de Janeiro"),
    ("j'habite au 46 avenue Jean Jaurès, 69007 Lyon depuis 2019", "46 avenue Jean Jaurès, 69007 Lyon"),
    ("customer: 380-387-9009", "380-387-9009"),
    ("0056 1439 563.4812", "0056 1439 563.4812"),
    ("संपर्क 9864623565", "9864623565"),
]
NOT_PERSONAL = [
    "Tilaus 0401234567 lähetettiin 3. maaliskuuta 2026.",
    "Sipariş no 05321234567, 3 Mart 2026.",
    "رقم الطلب 0501234567 شحن في 3 مارس.",
    "注文番号 0312345678、伝票番号 4012-3456-7890。",
    "请参阅第4.3.2.1节。",
    '{"version": "10.4.22.1"}',
    "Zählerstand 012345678 kWh",
    "customer number 4155550132",
    "Kundennummer: 0301234567",
    "we met at amazon.com",  # a place on the web, no address of mail
    "The plate was 12 inches wide, template A12 B3.",
    "Decimal('1.38435736E')",
    "Fifth Floor, Boston, MA 02110-1301, USA",
    "[.1FEB.0021.0002] 0064 0335",
    "3050\n3051\n3178\n3562\n3563\n3668\n3669\n3700\n3701",
    "object::SectionedAddress Address, uint64_t Size 12",
    "Completing the move to Python 3",
    "golang.org/x/net/context",
    "routing 021000021, NDC 0002-1433-80, № 0301234567",
    "الطلب رقم 0501234567",
]
FORMS = [
    ("Matti Virtanen", "Matin auto", "Matin"),
    ("Antti Lahti", "Lahdelle", "Lahdelle"),
    ("Heikki Koski", "Kosken", "Kosken"),
    ("Pekka Mäki", "Mäen talo", "Mäen"),
    ("Katri Aalto", "Aallolta", "Aallolta"),
    ("Mehmet Yılmaz", "Yılmazın evi", "Yılmazın"),
    ("Marek Novák", "bez Marka", "Marka"),
    ("Jānis Bērziņš", "Jāņa", "Jāņa"),
    ("Νίκος Παπαδόπουλος", "του Νίκου", "Νίκου"),
]


@pytest.mark.parametrize(("text", "value"), PERSONAL, ids=[value for _, value in PERSONAL])
def test_is_masked(text: str, value: str) -> None:
    start = text.index(value)
    assert covered(start, start + len(value), [(found.start, found.end) for found in find(text)])


@pytest.mark.parametrize("text", NOT_PERSONAL)
def test_stays(text: str) -> None:
    assert [text[found.start : found.end] for found in find(text) if found.kind != "url"] == []


@pytest.mark.parametrize(("name", "text", "form"), FORMS)
def test_names_are_found_in_the_cases_of_their_language(name: str, text: str, form: str) -> None:
    assert [text[found.start : found.end] for found in KnownValues([("name", name)]).find(text)] == [form]


def test_names_of_others_are_no_forms_of_a_name() -> None:
    assert KnownValues([("name", "Kati Ahti")]).find("Matto, Kalle and Akka met in Helsinki.") == []


def test_masks_most_of_the_held_out_texts() -> None:
    texts = [(text, labels) for _, text, labels in held_out(240, seed=11)]
    hits = [
        covered(start, end, [(found.start, found.end) for found in find(text)])
        for text, labels in (*texts, *second())
        for start, end, kind in labels
        if kind != "name"
    ]
    assert sum(hits) / len(hits) >= 0.98


@pytest.mark.parametrize("text", [*harmless(), *HARMLESS])
def test_leaves_harmless_texts_as_they_are(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("王小明", "小明今天来吗", "小明"),
        ("王小明", "请王先生回电", "王先生"),
        ("李娜", "李女士您好", "李女士"),
        ("Anna-Lena Weber", "Dear Lena,", "Lena"),
        ("Dana Smith-Jones", "Mrs Jones's order", "Jones"),
        ("Jean‑Luc Picard", "Cher Luc", "Luc"),
    ],
)
def test_parts_of_a_name_are_found_alone(name: str, text: str, part: str) -> None:
    assert [text[found.start : found.end] for found in KnownValues([("name", name)]).find(text)] == [part]
