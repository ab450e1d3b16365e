"""A second held-out set of personal data: each text is written by hand, with its labels in it: ``<<kind|value>>``.

It was written after the first one had been tuned on, in other words, formats and countries. Persons are made up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TEXTS = (
    "Hey, it's Dana from 4B — new cell is <<phone|(619) 555-0188>>, old one's dead. Venmo is the same.",
    "SUBJECT: Benefits enrollment\nEmployee SSN ending? Full: <<ssn|412-55-9087>>. DOB <<birthdate|07/22/1988>>. Ph <<phone|512.555.0143>> ext 12",
    "Applicant's Date of Birth (MM/DD/YYYY): <<birthdate|11/03/1979>>\nApplicant's Home Address: <<address|2218 Larkspur Ct, Boise, ID 83702>>\nDaytime Phone: <<phone|208-555-0190>>",
    "He was born in Ohio on <<birthdate|September 9, 1961>> and his driver's license number is <<nationalid|RT482913>>.",
    "Claimant: J. Ortiz | Tax ID: <<nationalid|94-3217765>> | Fax: <<phone|+1 (213) 555-0109>>",
    'curl -X POST localhost/v1/u -d \'{"mail":"<<email|t.okafor@northmail.example>>","msisdn":"<<phone|+2348031234567>>"}\'',
    "Login attempt for <<email|sven_olof@brevlada.example>> from <<ip|185.220.101.47>>, MAC <<mac|3C-22-FB-9A-01-7E>>",
    "2025-11-02 08:14:55,120 ERROR [payments] declined pan=<<card|4539578763621486>> exp=0927 cust_phone=<<phone|07911 123456>>",
    "NI no. <<nationalid|QQ 12 34 56 C>> / NHS no. <<nationalid|943 476 5919>> / surname withheld",
    "Send the V5C to me. My address is <<address|14B Elm Grove, Southsea PO5 1JG>>.",
    "UK passport: <<passport|533401372>>, issued 12 Jan 2021. Contact tel <<phone|0117 496 0123>>.",
    "Reg: my car's registration number is <<plate|LM19 XKD>>; call <<phone|+44 20 7946 0018>>.",
    "Ich heiße Uwe, bin am <<birthdate|3. Mai 1974>> geboren und wohne in <<address|Gartenweg 8, 79098 Freiburg>>.",
    "Antragsteller: geb. am <<birthdate|14.11.1990>>, Personalausweisnummer <<nationalid|L01X00T471>>, Mobil <<phone|+49 151 23456789>>",
    "Sozialversicherungsnummer: <<nationalid|65 170839 J 003>>; Rückruf bitte unter <<phone|0351 4567890>>.",
    "Kontoverbindung\nBIC: COBADEFFXXX\nIBAN <<iban|DE12 5001 0517 0648 4898 90>>\nE-Mail (privat): <<email|uwe.k@postfach.example>>",
    "Nummernschild <<plate|KA-PA 777>>, Halter wohnhaft <<address|Kaiserstr. 120, 76133 Karlsruhe>>.",
    "Österreich: SVNR <<nationalid|1237 010180>>, Tel. <<phone|+43 664 1234567>>. Schweiz: AHV-Nr. <<nationalid|756.9217.0769.85>>, Natel <<phone|079 123 45 67>>.",
    "Bonjour, mon portable : <<phone|07 68 12 34 56>> (ou fixe <<phone|01 44 55 66 77>>). Ma carte : <<card|4974 0000 0000 0001>>",
    "Assuré né le <<birthdate|9 février 1969>>, NIR <<nationalid|1 69 02 75 116 005 62>>, domicilié au <<address|3 bis rue Victor Hugo, 33000 Bordeaux>>.",
    "Mon adresse mail c'est <<email|m.leroy (arobase) courriel.example>>, plaque <<plate|FG-482-KL>>.",
    "Numéro fiscal : <<nationalid|12 34 567 891 234>>. Carte d'identité n° <<nationalid|880692310285>>.",
    "Buenas, mi NIE es <<nationalid|Y1234567X>> y nací el <<birthdate|2 de enero de 1993>>. Tfno: <<phone|655 12 34 56>>",
    "CURP: <<nationalid|GOML850312MDFNRS07>>\nRFC: <<nationalid|GOML850312AB1>>\nCelular: <<phone|+52 55 1234 5678>>\nDomicilio: <<address|Av. Insurgentes Sur 1602, Col. Crédito, 03940 CDMX>>",
    "RUT <<nationalid|12.345.678-5>>, fono <<phone|+56 9 8765 4321>>; cédula de ciudadanía <<nationalid|1.023.456.789>>, cel <<phone|300 123 4567>>",
    "Argentina: DNI <<nationalid|28.456.789>>, CUIT <<nationalid|20-28456789-3>>, teléfono <<phone|011 4567-8901>>",
    "Ciao, il mio numero è <<phone|347 1234567>>; C.F. <<nationalid|BNCMRA75D41F205X>>; nata a Bari il <<birthdate|1 aprile 1975>>",
    "Patente n. <<nationalid|U1H73G948F>>; targa del veicolo: <<plate|GA 123 BC>>; residenza: <<address|Piazza Dante 5, 80135 Napoli>>",
    "O meu NIF é <<nationalid|245 678 901>>, telemóvel <<phone|912 345 678>>, morada: <<address|Rua Augusta 45, 2.º Esq., 1100-048 Lisboa>>",
    "RG <<nationalid|12.345.678-9>>, CPF nº <<nationalid|123.456.789-00>>, nascida em <<birthdate|05/05/1995>>, whatsapp <<phone|(81) 98877-6655>>",
    "Placa do carro: <<plate|BRA2E19>>. CEP e endereço: <<address|Rua do Sol, 123, Recife - PE, 50030-230>>",
    "Hoi, mijn nieuwe nummer is <<phone|+31 (0)6 1234 5678>>, burgerservicenummer <<nationalid|123456782>>, geb.datum <<birthdate|23-08-1990>>",
    "Rijksregisternummer <<nationalid|85.07.30-033.28>>, gsm <<phone|0470 12 34 56>>, woont in <<address|Nieuwstraat 12, 9000 Gent>>",
    "Nr dowodu osobistego: <<nationalid|ABC 123456>>, NIP <<nationalid|526-104-08-28>>, kom. <<phone|512 345 678>>",
    "Urodziłem się <<birthdate|15 sierpnia 1982>> r. Moja tablica rejestracyjna: <<plate|KR 7AB45>>",
    "Min adress är <<address|Björkvägen 3B, 752 37 Uppsala>>, mobilnr <<phone|073-555 12 34>>, pnr <<nationalid|850709-9805>>",
    "Bilens regnr <<plate|MLB 84C>>. Skicka till <<email|lisa.ek@mejl.example>> el. ring <<phone|+46 8 123 456 78>>",
    "CPR-nr. <<nationalid|070761-4285>>, mobil <<phone|20 12 34 56>>, bopæl: <<address|Nørregade 10, 2. tv, 1165 København K>>",
    "Fødselsnummer <<nationalid|01018012345>>, tlf. <<phone|912 34 567>>, født <<birthdate|1. januar 1980>>",
    "Hetu <<nationalid|131052-308T>>, puh. <<phone|+358 50 1234567>>, rekisterinumero <<plate|ABC-123>>, synt. <<birthdate|13.10.1952>>",
    "Osoitteeni on <<address|Aleksanterinkatu 15 A 4, 33100 Tampere>> ja sähköpostini <<email|pekka@posti.example>>",
    "TCKN: <<nationalid|10000000146>>, GSM: <<phone|0 532 123 45 67>>, Doğum: <<birthdate|29 Ekim 1985>>, plaka: <<plate|06 BJK 19>>",
    "İkametgâh adresi: <<address|Bağdat Cad. 112/3 Kadıköy İstanbul>>; ehliyet no <<nationalid|123456>>",
    "Мой номер <<phone|+7 (903) 123-45-67>>, почта <<email|olga@pochta.example>>, дата рождения <<birthdate|12 марта 1987>> г.",
    "Паспорт <<passport|45 08 123456>>, СНИЛС <<nationalid|112-233-445 95>>, ИНН <<nationalid|500100732259>>, госномер <<plate|А123ВС77>>",
    "Адрес проживания: <<address|г. Казань, ул. Баумана, д. 15, кв. 8>>",
    "РНОКПП <<nationalid|3184710691>>, моб. тел. <<phone|067 123 45 67>>",
    "Rodné číslo <<nationalid|780123/3540>>, tel. <<phone|602 123 456>>, bydliště: <<address|Dlouhá 12, 110 00 Praha 1>>",
    "CNP <<nationalid|1800101221144>>, telefon <<phone|0722 123 456>>, născut la <<birthdate|01.01.1980>>",
    "TAJ szám... adóazonosító; telefonszám: <<phone|+36 30 123 4567>>, született: <<birthdate|1980.01.01>>, rendszám: <<plate|ABC-123>>",
    "ΑΦΜ <<nationalid|094259216>>, κινητό <<phone|6944 123456>>, ημερομηνία γέννησης <<birthdate|5/6/1970>>",
    "私の携帯は<<phone|070-1234-5678>>、生年月日は<<birthdate|平成2年3月4日>>、住所は<<address|大阪府大阪市北区梅田1-2-3>>です。",
    "運転免許証番号：<<nationalid|301234567890>>　メールアドレス→<<email|hanako.s@yubin.example>>",
    "旅券番号 <<passport|TK1234567>> / 車のナンバー：<<plate|足立 301 は 45-67>> / 連絡先 <<phone|(06)6123-4567>>",
    "저는 <<birthdate|1992년 8월 15일>>생이고 여권번호는 <<passport|M12345678>>, 핸드폰은 <<phone|010.9876.5432>>입니다.",
    "운전면허번호 <<nationalid|11-12-345678-90>>, 외국인등록번호 <<nationalid|920815-5123456>>, 주소는 <<address|경기도 성남시 분당구 판교로 235>>입니다",
    "手机：<<phone|15012345678>>　身份证<<nationalid|11010119900307283X>>　家庭住址：<<address|广州市天河区体育西路100号>>",
    "台灣：身分證字號 <<nationalid|A123456789>>，手機 <<phone|0912-345-678>>，車牌 <<plate|ABC-1234>>",
    "邮箱<<email|zhang.wei@youxiang.example>>，护照<<passport|E12345678>>，生日<<birthdate|1990.03.07>>",
    "رقم الهاتف المحمول: <<phone|+971 50 123 4567>>، رقم الهوية: <<nationalid|784-1990-1234567-1>>، تاريخ الميلاد <<birthdate|١٢/٠٥/١٩٩٠>>",
    "عنواني <<address|شارع التحرير 25، الدقي، القاهرة>> وإيميلي <<email|noor@barid.example>>",
    "मेरा आधार नंबर <<nationalid|2345 6789 0123>> है, PAN <<nationalid|ABCPK1234L>>, मोबाइल <<phone|+91 99887 76655>>",
    "Voter ID <<nationalid|ABC1234567>>, vehicle number plate <<plate|KA 05 MJ 4321>>, D.O.B. <<birthdate|15-Aug-1992>>",
    "מספר זהות <<nationalid|039337423>>, נייד <<phone|052-123-4567>>, כתובת: <<address|הרצל 15, תל אביב>>",
    "เบอร์โทร <<phone|089-123-4567>> เลขบัตรประชาชน <<nationalid|1-1017-00230-70-8>>",
    "Số CCCD: <<nationalid|001090012345>>, điện thoại <<phone|0987 654 321>>, sinh ngày <<birthdate|02/09/1990>>",
    "NIK <<nationalid|3174012503900001>>, HP <<phone|0812-3456-7890>>, alamat: <<address|Jl. Sudirman No. 45, Jakarta 10210>>",
    "AU: Medicare <<nationalid|2123 45670 1>>, TFN <<nationalid|123 456 782>>, mob <<phone|0412 345 678>>, lives at <<address|27 Bondi Rd, Bondi NSW 2026>>",
    "SIN: <<nationalid|046 454 286>>. Ontario driver's licence <<nationalid|A1234-56789-01234>>. <<phone|1 (416) 555-0199>>",
    "SA ID number <<nationalid|8001015009087>>, cell <<phone|082 123 4567>>. IE: PPS <<nationalid|1234567T>>, mobile <<phone|087 123 4567>>",
    "NRIC <<nationalid|S1234567D>>, HP <<phone|9123 4567>>. HKID <<nationalid|A123456(3)>>, tel <<phone|+852 9123 4567>>",
    "first_name\tlast_name\tdate_of_birth\tphone_number\tsocial_security\nAnn\tLee\t<<birthdate|1990-02-03>>\t<<phone|718-555-0111>>\t<<ssn|219-09-9999>>",
    'nom,prenom,tel,date_naissance,adresse\nLeroy,Max,<<phone|0612345678>>,<<birthdate|03/02/1980>>,"<<address|4 rue des Lilas, 59000 Lille>>"',
    '[{"type":"PERSON","phoneNumbers":[{"value":"<<phone|(030) 1234-5678>>"}],"birth_date":"<<birthdate|1971-12-30>>","passportNo":"<<passport|C01X00T47>>","ssn":"<<ssn|078-05-1120>>"}]',
    '<person dob="<<birthdate|1985-06-07>>" phone="<<phone|+33 7 56 78 90 12>>"><addr>x</addr><creditCard><<card|5425-2334-3010-9903>></creditCard></person>',
    "user.email=<<email|q_lin@mailbox.example>>\nuser.phone=<<phone|415 555 2671>>\nuser.ip=<<ip|2a02:8108:1:2::9>>\nuser.taxId=<<nationalid|12345678911>>",
    "UPDATE users SET phone='<<phone|0621 223344>>', birthdate='<<birthdate|1999-09-09>>' WHERE email='<<email|r2@d2.example>>';",
    ":59:/<<iban|GB33BUKB20201555555555>>\nMR SMITH\n:70:RENT",
    "MSH|^~\\&|ADT|...\nPID|1||00482||DOE^JANE||19800101|F|||12 Oak St^^Reno^NV^89501||<<phone|(775)555-0142>>",
    "[agent] And your date of birth?\n[caller] <<birthdate|June 3rd 1984>>.\n[agent] Best number?\n[caller] <<phone|602-555-0177>>",
    "bot: please type your card number\nuser: <<card|5105 1051 0510 5100>>\nbot: and your e-mail\nuser: <<email|jo@acme.example>>",
    "Site: <<url|https://people.example/~jdoe?id=77>> mirror <<url|www.jdoe-photos.example/2024>>",
    "Host <<ip|10.20.30.40>> (<<mac|00:1b:44:11:3a:b7>>) leased to <<ip|fe80::21b:44ff:fe11:3ab7>>",
    "Wire to IBAN <<iban|CH93 0076 2011 6238 5295 7>> or <<iban|AE070331234567890123456>>, ref INV-2291.",
    "Amex <<card|3714 496353 98431>>, Diners <<card|3056 9309 0259 04>>, Maestro card no. <<card|6759649826438453>>",
)
"""Each value with the kind that it is claimed to be masked as."""

HARMLESS = (
    "Q3 revenue grew 4.2% to $1,204,550,000; EPS 2.31; shares 415,555,013.", "The parser handles 2**31-1 = 2147483647 and 0x7fffffff.",
    "Lot 20250911-0042, part 617-555-A, rev. C, drawing 100-2234-01.", "Session 12 of 14, room 3.120, building 7, floor 2, from 10:00 to 11:30.",
    "npm WARN deprecated core-js@2.6.12 and @types/node@20.11.5", "std::vector<int>::iterator it; a::b::c; x = y::z;",
    "ratio 16:9, scale 1:25000, score 3:2, at 12:34:56", "Set the flag --port 8080 --retries 3 --timeout 30000",
    "Tel Aviv has 474,530 inhabitants; Tell City 7,272.", "The call to fetch() at line 20240917 failed after 1500000 ms.",
    "Die Bestellung 40912345678 ging am 12.03.2025 raus, Summe 1.234,56 EUR.", "Zählerstand 012345678 kWh, Vertragskonto 2001234567.",
    "La commande 0698765432 a été expédiée, colis 6A12345678901.", "El pedido 655123456 salió ayer; factura F-2025/0012345.",
    "L'ordine 3471234567 è in consegna; spedizione 1Z12345E0291980793.", "Objednávka č. 602123456 byla odeslána 12. 3. 2025.",
    "订单编号：202503121234567890，快递单号 SF1234567890123。", "注文番号 0312345678、伝票番号 4012-3456-7890。",
    "주문번호 0212345678, 송장번호 123456789012.", "रसीद संख्या 9988776655, राशि ₹ 1,00,000।", "رقم الفاتورة 0501112233 بتاريخ 12/03/2025",
    "Coordinates 52.5200, 13.4050; altitude 34 m; EPSG:25833.", 'UUID 123e4567-e89b-12d3-a456-426614174000, ETag W/"5d8c72a5edda8"',
    "Kernel 6.8.0.45, driver 550.90.7.1, BIOS 1.14.2.0, firmware 7.0.3.12", "IEEE 802.11ax, RFC 7231 section 6.5.1, ISO/IEC 27001:2022",
    "The plate was 12 inches wide and the address space is 48 bits.", "Born to run in 1975, released 25 August 1975.",
    "Flight BA 0117, gate B32, seat 14C, PNR XK4T9Q.", "In 2023-2024 there were 1 234 567 visitors, 12 345 a day.",
    "pip 24.0.1.2, ports 10.000 to 20.000, mask 255.255.255.0", "E = mc^2, 6.02214076e23, 3.14159265358979, 1e-10",
    "Model X-4000-2231 costs 2.499,00 €, weight 12.500.000 g, EAN 4012345123456.", "import os.path, java.util.Map, com.example.app.Main, next.js, node.js",
)  # fmt: skip

_LABEL = re.compile(r"<<(\w+)\|([^<>]*)>>")


def second() -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """Each text with its labels."""
    for marked in TEXTS:
        labels, parts, length, done = [], list[str](), 0, 0
        for match in _LABEL.finditer(marked):
            before = marked[done : match.start()]
            start = length + len(before)
            if match[2]:
                labels.append((start, start + len(match[2]), match[1]))
            parts += (before, match[2])
            length, done = start + len(match[2]), match.end()
        yield "".join((*parts, marked[done:])), labels
