"""Kinds of personal data in the writing of many countries, and what reads like them and is nobody's."""

import pytest

from benchmarks.guards import covered
from guardrails.pii.guard import find
from guardrails.pii.national_ids import _NUMBERS, _stdnum


def found(text: str) -> list[tuple[str, str]]:
    return [(text[entity.start : entity.end], entity.kind) for entity in find(text)]


FOUND = {
    "phone": [
        ("reach me on {} please", "415-555-0132x22"),
        ("{}", "(415) 555-0132ext.7"),
        ("Appelez le {}.", "01.23.45.67.89"),
        ("Tél.{} merci", "01.23.45.67.89"),
        ("{} is my cell", "4155550132"),
        ("{} (mobile)", "5551234567"),
        ("{} ist meine Rufnummer", "17612345678"),
        ("电话：{}。谢谢", "１３８１２３４５６７８"),
        ("请打电话{}联系我", "13812345678"),
        ("我的号码是{}", "138 1234 5678"),
        ("電話番号は{}です", "03-1234-5678"),
        ("연락처{}입니다", "010-1234-5678"),
        ("هاتف{}شكرا", "٠٥٠١٢٣٤٥٦٧"),
        ("رقم الهاتف: {}", "+966 50 123 4567"),
        ("тел.{}", "8 (495) 123-45-67"),
        ("फोन: {}", "९८७६५ ४३२१०"),
        ('"phone_number": "{}"', "5551234567"),
        ("mobilePhone={}", "4155550132"),
        ("<tel>{}</tel>", "555 123 4567"),
        ("name,phone,city\nAda,{},London", "2079460958"),
        ("| name | mobile |\n|---|---|\n| Ada | {} |", "7700900123"),
        ("Llámame al {} mañana", "612 345 678"),
        ("Phone: 030 1234567 / {}", "017212345"),
        ("+1 (415) 555-0132, {}", "+75.31 571.2838"),
    ],
    "email": [
        ("我的邮箱是{}。请问怎么办？", "ada@example.com"),
        ("メールは{}です", "ada.l@example.co.jp"),
        ("mail {}，谢谢", "ada@example.com"),
        ("?user={}&x=1", "ada%40example.com"),
        ("<li>{}</li>", "ada&#64;example.com"),
        ("write to {} ok", ["ada ", "lovelace at example dot com"][1]),
        ("saved as {}.txt", "ada@example.com"),
        ("Mail {}.Please answer", "ada@example.com"),
        ("ａｄａ: {}", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
        ("بريدي{}شكرا", "ada@example.com"),
        ("{}", "ada[at]example[dot]com"),
        ("{}", "ada @ example.com"),
        ("{}", "ada+tag@mail.example.museum"),
    ],
    "card": [
        ("card {}", "4111_1111_1111_1111"),
        ("card {}", "4111 1111\n1111 1111"),
        ("卡号{}。", "5500000000000004"),
        ("{} paid", "6011-0009-9013-9424"),
        ("cc,exp,cvc\n{},12/29,123", "4222222222222"),
    ],
    "iban": [("账号{}请", "DE89370400440532013000"), ("حساب{}", "GB82 WEST 1234 5698 7654 32")],
    "ip": [
        ("服务器203.0.113.7".replace("203.0.113.7", "{}"), "203.0.113.7"),
        ("العنوان{}", "10.20.30.40"),
        ("from {} port 22", "5.9.12.44"),
        ("{} - - [10/Oct/2026:13:55:36]", "8.8.4.4"),
        ("DNS {}", "1.1.1.1"),
        ("{}:8080", "3.5.7.9"),
    ],
    "ssn": [
        ("SSN {}", "123-45-6789"),
        ("social_security_number: {}", "987654320"),
        ("name,ssn\nAda,{}", "123456789"),
        ("applicant ({})", "536-90-4399"),
    ],
    "nhs": [("NHS no. {}", "943 476 5919")],
    "passport": [
        ("my US passport {}", "123456789"),
        ("passportNumber: {}", "L898902C3"),
        ("护照号{}。", "E12345678"),
        ("n° de passeport : {}", "12AB34567"),
    ],
    "nationalid": [
        ("NINO {}", "AB 12 34 56 C"),
        ("hers is {}", "AB123456C"),
        ("Steuer-ID: {}", "86 095 742 719"),
        ("Steueridentifikationsnummer {}", "12345678901"),
        ("NIR {}", "2 84 05 75 116 023 69"),
        ("sécurité sociale : {}", "184127645108946"),
        ("DNI {}", "12345678Z"),
        ("NIE {}", "X1234567L"),
        ("codice fiscale {}", "RSSMRA85T10A562S"),
        ("cliente {}", "RSSMRA85T10A562S"),
        ("CPF {}", "529.982.247-25"),
        ("sou {}", "529.982.247-25"),
        ("CNPJ: {}", "11.222.333/0001-81"),
        ("Aadhaar {}", "2341 2341 2346"),
        ("PAN card: {}", "ABCPE1234F"),
        ("マイナンバー：{}", "1234 5678 9018"),
        ("주민등록번호 {}", "971013-9019902"),
        ("SIN: {}", "046 454 286"),
        ("TFN {}", "123 456 782"),
        ("Medicare: {}", "2123 45670 1"),
        ("BSN {}", "111222333"),
        ("PESEL {}", "44051401359"),
        ("personnummer {}", "880320-0016"),
        ('"nationalId": "{}"', "13579-XK-246"),
        ("AHV {}", "756.9217.0769.85"),
        ("身份证号{}", "11010519491231002X"),
        ("id_card,name\n{},Ada", "KC61749PX"),
        ("Driver's license number: {}", "D1234567"),
        ("national id number is {}", "YQ38274HZ"),
    ],
    "birthdate": [
        ("DOB: {}", "1985-03-12"),
        ("born on {} in Rome", "March 12, 1985"),
        ("geboren am {}", "12.03.1985"),
        ("née le {}", "12 mars 1985"),
        ("fecha de nacimiento: {}", "12/03/1985"),
        ("生年月日：{}", "1985年3月12日"),
        ('"date_of_birth": "{}"', "12/03/85"),
        ("name,birth_date\nAda,{}", "1815-12-10"),
        ("born {}", "10th of December 1815"),
    ],
    "address": [
        ("Address: {}\nPhone: none", "221B Baker Street, London NW1 6XE"),
        ('"shipping_address": "{}"', "12 Main St. Apt 4, Springfield, IL 62704"),
        ("She lives at {}.", "45 Rue de Rivoli, 75001 Paris"),
        ("Anschrift: {}", "Hauptstraße 5, 10115 Berlin"),
        ("地址：{}", "北京市朝阳区建国路88号"),
        ("dirección: {}", "Calle Mayor 10, 28013 Madrid"),
    ],
    "plate": [
        ("License plate: {}", "ABC-1234"),
        ("Kennzeichen {}", "B-AB 1234"),
        ("number plate {} was seen", "AB12 CDE"),
        ("immatriculation : {}", "AB-123-CD"),
    ],
    "url": [
        ("see {}, thanks", "https://example.com/a?b=1"),
        ("请看{}，谢谢", "https://example.com/a"),
        ("visit {}", "example.net"),
    ],
}


@pytest.mark.parametrize(("kind", "frame", "value"), [(kind, *case) for kind, cases in FOUND.items() for case in cases])
def test_finds(kind, frame, value):
    text = frame.format(value)
    start = text.rindex(value)
    pieces = find(text)
    assert covered(start, start + len(value), [(entity.start, entity.end) for entity in pieces]), found(text)
    inside = [entity for entity in pieces if entity.end > start and entity.start < start + len(value)]
    assert kind in {entity.kind for entity in inside}
    assert inside[-1].end <= start + len(value), "what follows it stays"


@pytest.mark.parametrize(
    "text",
    [
        "It cost 1.000.000.000 EUR, then 2 500 000 000 euros and 12.345.678 USD.",
        "numpy 1.26.4.1, Kernel 5.15.0.91, Chrome 120.0.0.0, version 10.0.19.1, pip install x==1.2.3.4",
        "See section 3.2.1.4 and 4.1.2.1.\n3.2.1.4 Scope of the service\n12.4.1.3 Terms",
        "ASP.NET, System.Net, System.Net.Http, user.info, logger.info, java.net, ADO.NET",
        'import "github.com/pkg/errors"\nimport (\n\t"github.com/gorilla/mux"\n\tlog "github.com/sirupsen/logrus"\n)',
        "require github.com/spf13/cobra v1.8.0\ngo get golang.org/x/net",
        "5000000000 rows, 1000000000 requests, limit of 10000000000",
        "flags 0101010101 and 1111000011110000, mask 1010101010101010",
        "UPC 012345678905, EAN 4006381333931, ISBN 9783161484100",
        "Bestellnummer 4155550132, Auftragsnummer: 0301234567, Rechnungs-Nr. 0612345678, Kundennummer 0171234567",
        "Sendungsnummer 00340434161094042557, Aktenzeichen 0221 1234567",
        "commande n° 0612345678, pedido 612345678, facture 0123456789",
        "call the API 1000000 times, 4155550132 bytes received",
        "order 4111111111111112, tweet 1745678901234567890, IMEI 490154203237518",
        "Born in 1985, she moved in 2001; the address bar; an email address; address the issue in 2 days",
        "The plate was full in 2024. Registration opens at 10.",
        "IP address space, memory address 0x7ffe1234, address = 0x00400000",
        "national id cards were issued in 2019; the passport office opened in 2024",
        "const id = 12345678; row 123456789; pi = 3.14159265358979; ratio 0.123456789",
        "0.1.2.3.4.5, 1.2.3, OID 1.3.6.1.4.1, 2026-11-28T19:00:00.123456789Z",
        "sha256:9fceb02d0ae598e95dc970b74767f19372d61af8a1b2c3d4e5f60718293a4b5c",
        "GET /api/v2/items/4155550132 200 in 12 ms",
        "meet me at the station at noon; look at example code",
        "tax of 19 % on 12345678 EUR; the tax id field is required",
        "call us when order 4155550132 has arrived",
    ],
)
def test_leaves_alone(text):
    assert found(text) == []


@pytest.mark.parametrize("module", sorted({number.module for number in _NUMBERS}))
def test_every_validator_exists(module):
    assert _stdnum(module)("not a number") is False
